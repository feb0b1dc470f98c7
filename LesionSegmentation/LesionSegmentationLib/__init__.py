"""What the panel and the logic of LesionSegmentation are made of; Slicer's naming style, since Slicer calls it."""
