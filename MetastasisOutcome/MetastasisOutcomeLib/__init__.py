"""What the panel and the logic of MetastasisOutcome are made of; Slicer's naming style, since Slicer calls it."""
