"""The MRML scene: nodes from result folders, views drawn to pictures, scene files.

The only room that imports `slicer`. It runs unchanged in desktop Slicer and, without Qt and without a display, on the
real MRML libraries of the `slicer-core` package in a plain Python (`start.start()`).
"""
