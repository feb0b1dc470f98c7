"""A web page that shows a result folder, for readers without 3D Slicer.

Runs in an environment of its own (`requirements-view.lock`), because trame-slicer wants another version of slicer-core;
nothing outside of this room imports trame. The command that starts it is `lesionlens view`.
"""
