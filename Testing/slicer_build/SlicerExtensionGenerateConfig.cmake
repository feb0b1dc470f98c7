# Slicer writes a package configuration for other extensions here; an extension of Python modules has nothing to tell.
