"""Write the coloured surface of an explanation, in the way and in the formats that were asked for."""

from __future__ import annotations

from pathlib import Path

from LesionLensLib.explain.job.begun import Begun
from LesionLensLib.explain.job.explanation import Explanation
from LesionLensLib.explain.surface.choice import SurfaceChoice, parse_surface
from LesionLensLib.explain.surface.colors import scale_of
from LesionLensLib.images.volume import Volume
from LesionLensLib.inputs import Finding

SURFACE_FILE, SURFACE_NAME = "surface.vtp", "surface"
POINTS_FILE, UNIT_POINTS_FILE = "points.ply", "points-unit.ply"
POINTS = "points"


def write_coloured_surface(
    folder: Path, begun: Begun, impact: Volume, found: Explanation
) -> tuple[Finding, ...]:
    """Write the surface that the job names, painted with the map `impact`; what is missing for it comes back.

    Made of points, the cloud of the surface's own voxels lies beside it, in mm and with each axis from 0 to 1.
    """
    choice = parse_surface(begun.job.surface)
    if choice is None:
        return ()
    mask = begun.lesion if choice.subject == "lesion" else begun.brain
    if mask is None:
        text = f"No mask of the {choice.subject} was given, so there is no coloured surface of it."
        return (Finding("info", "no-surface", text, f"Give --mask {choice.subject}=PATH."),)
    _write(folder, begun, impact, mask, choice, found.signed)
    return ()


def _write(
    folder: Path, begun: Begun, impact: Volume, mask: Volume, choice: SurfaceChoice, signed: bool
) -> None:
    # Not at the top: a plain installation has no VTK, and everything but the surface goes without.
    from LesionLensLib.explain.surface.point_cloud import unit_cloud, voxel_cloud
    from LesionLensLib.explain.surface.probe import coloured_contour
    from LesionLensLib.explain.surface.seven_steps import SevenSteps, coloured_surface
    from LesionLensLib.explain.surface.surface_files import write_cloud, write_surface

    scale = scale_of(impact.array, signed)
    if begun.job.surface_way == POINTS:
        surface = coloured_surface(impact, mask, SevenSteps(seed=begun.job.seed), choice.beyond_mm, scale)
        cloud = voxel_cloud(impact, mask, scale)
        write_cloud(cloud, folder / POINTS_FILE)
        write_cloud(unit_cloud(cloud), folder / UNIT_POINTS_FILE)
    else:
        surface = coloured_contour(impact, mask, choice.beyond_mm, scale)
    write_surface(surface, folder / SURFACE_FILE)
    for suffix in begun.job.exports:
        write_surface(surface, folder / f"{SURFACE_NAME}.{suffix}")
