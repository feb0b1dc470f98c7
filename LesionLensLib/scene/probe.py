"""Draws one triangle off screen and looks at it; run in a process of its own, for a missing library ends it at once."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Return 0 where the window class asked for draws a green triangle on black, else 1.

    VTK takes another class without a word where the one it was told to use does not work; that counts as a failure
    here, since what was proved would not be what was asked for.
    """
    import vtk

    source = vtk.vtkRegularPolygonSource()
    source.SetNumberOfSides(3)
    mapper = vtk.vtkPolyDataMapper()
    mapper.SetInputConnection(source.GetOutputPort())
    actor = vtk.vtkActor()
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(0, 1, 0)
    actor.GetProperty().LightingOff()
    renderer = vtk.vtkRenderer()
    renderer.AddActor(actor)
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetSize(64, 64)
    window.AddRenderer(renderer)
    window.Render()
    pixels = vtk.vtkUnsignedCharArray()
    window.GetPixelData(0, 0, 63, 63, 0, pixels, 0)
    middle, corner = pixels.GetTuple3(32 * 64 + 32), pixels.GetTuple3(0)
    asked = os.environ.get("VTK_DEFAULT_OPENGL_WINDOW")
    is_the_one = not asked or window.GetClassName() == asked
    window.Finalize()
    return 0 if is_the_one and middle == (0, 255, 0) and corner == (0, 0, 0) else 1


if __name__ == "__main__":
    sys.exit(main())
