"""What the panels share: input rows, checks, installation, models, the run of a child; in Slicer's naming style.

Only the three modules import this room. `PanelRun`, `NodeFiles`, `InputChecks` and `Installation` need the scene and
also serve the console, the others the application's widgets too. Nothing in it imports torch.
"""
