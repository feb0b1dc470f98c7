"""What the panel and the logic of AttentionExplain are made of; Slicer's naming style, since Slicer calls it."""
