"""What the three LesionLens modules share: geometry, images, networks, inference, explanation, scene.

Importing this package imports nothing else: `lesionlens --help` must answer at once, and Slicer must be able
to load the modules before torch is installed.
"""

__version__ = "0.1.0"
