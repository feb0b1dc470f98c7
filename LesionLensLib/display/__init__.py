"""What a window needs to show a result at once: surfaces and the point to look at, made by the child process.

Neither torch nor slicer is imported here, and of VTK only the parts that are needed.
"""
