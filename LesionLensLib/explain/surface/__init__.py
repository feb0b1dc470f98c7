"""Coloured surfaces: a map shown on the outside of a lesion, its surroundings or the brain, by numpy, scipy and VTK.

In memory every surface and point lies in RAS, Slicer's world; files are LPS and say so. `contour` with `probe` is the
default way, `seven_steps` the one of Jalalifar et al. (JTEHM 2022).
"""
