"""Puts the result folder of an explanation into the scene: maps over the image, regions, coloured surface, report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import slicer

from LesionLensLib.display.prepared import read_prepared
from LesionLensLib.explain.surface.colors import ColorScale, scale_of
from LesionLensLib.explain.surface.surface_files import read_surface
from LesionLensLib.geometry import Grid
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.volume import Volume
from LesionLensLib.scene.difference_plot import add_difference_plot
from LesionLensLib.scene.hierarchy import add_folder
from LesionLensLib.scene.impact import color_model, render_impact, show_impact, style_impact
from LesionLensLib.scene.prediction import around, modality, style_input
from LesionLensLib.scene.segmentation import ResultNames, SceneNodes, add_surroundings, finish, reference_node
from LesionLensLib.scene.segments import load_segments
from LesionLensLib.scene.stepwise import Showing, Steps
from LesionLensLib.scene.tables import add_region_table, add_report, add_side_table
from LesionLensLib.scene.terminology import load_terminology
from LesionLensLib.scene.volumes import add_volume
from LesionLensLib.scene.words import _

MAP_FILE, ONE_MAP_PREFIX = "map.nrrd", "map-"
REGIONS_FILE, SURFACE_FILE, LESION_FILE = "regions.csv", "surface.vtp", "lesion.seg.nrrd"
SIDES_FILE = "sides.csv"


def is_explanation(report: Mapping[str, Any]) -> bool:
    """Whether a parsed `report.json` is that of an explanation."""
    return "method" in report["result"]


def show_explanation(
    folder: Path,
    volumes: Mapping[str, Any],
    reference_role: str | None = None,
    brain: Volume | None = None,
    context_surface: bool = True,
) -> SceneNodes:
    """Add the nodes of an explanation's result folder to the scene, in one folder beside the reference image.

    The map lies over the reference in every slice view, which stand at its peak; in 3D the coloured surface is shown,
    or where there is none the map itself as a volume rendering. Where two sides were compared, their table and a chart
    of their difference are among the others. `volumes` are the input volume nodes by role; `brain` is a mask for the
    surface around it all. Raises `InternalFault` where the folder does not belong to these volumes; after any error the
    scene is as it was.
    """
    return Showing(showing_explanation(folder, volumes, reference_role, brain, context_surface)).run()


def showing_explanation(
    folder: Path,
    volumes: Mapping[str, Any],
    reference_role: str | None = None,
    brain: Volume | None = None,
    context_surface: bool = True,
) -> Steps[SceneNodes]:
    """Do what `show_explanation` does in steps, for a window that must answer meanwhile."""
    load_terminology()
    text = (folder / "report.json").read_text(encoding="utf-8")
    report = json.loads(text)
    settings, result = report["settings"], report["result"]
    impact = read_volume(folder / MAP_FILE)
    reference = reference_node(volumes, reference_role or report["model"]["reference_role"], impact.grid)
    names = ResultNames.from_report(report, reference.GetName())
    scale, prepared = scale_of(impact.array, settings["map"]["signed"]), read_prepared(folder)
    yield
    folder_item = add_folder(f"{names.folder}, {settings['map']['name']}", beside=reference)
    maps = yield from _adding_maps(folder, report, impact, scale, names)
    surfaces = _add_surface(folder, report, scale, names)
    yield
    lesion, regions, segmentation = folder / LESION_FILE, folder / REGIONS_FILE, None
    if lesion.exists():
        outlines = prepared.outlines if prepared else None
        segmentation = load_segments(lesion, names.of(_("Explained lesion")), reference, outlines)
    yield
    right, anterior, superior = result["peak"]["ras"]
    nodes = SceneNodes(
        folder_item=folder_item,
        reference=reference,
        segmentation=segmentation,
        table=add_region_table(regions, names.of(_("Regions"))) if regions.exists() else None,
        report=add_report(text, names.report, f"{names.description} {result['text']}", explainable=False),
        surface=add_surroundings(folder, report, reference, brain, names, prepared) if context_surface else None,
        others=(*maps, *surfaces, *_add_sides(folder, names), *add_difference_plot(folder, report, names)),
        focus_ras=(right, anterior, superior),
        frame_ras=around(Grid.from_dict(settings["network_grid"])),
    )
    for role, node in volumes.items():
        yield
        style_input(node, modality(report, role))
    yield
    finish(nodes, names, volumes)
    if nodes.segmentation is not None:
        # Its outline belongs into the slices; in 3D it would lie in the coloured surface and show through.
        nodes.segmentation.GetDisplayNode().SetVisibility3D(False)
    show_impact(maps[0])
    render_impact(maps[0], scale, visible=not surfaces)
    return nodes


def _adding_maps(
    folder: Path, report: Mapping[str, Any], impact: Volume, scale: ColorScale, names: ResultNames
) -> Steps[list[Any]]:
    """Add the map and those of single channels or layers, all in the same colours, so that they can be compared."""
    shown = report["settings"]["map"]
    paths: dict[str, Path | None] = {shown["name"]: None}
    roles = [str(entry["role"]) for entry in report["inputs"]]
    found = {path.stem.removeprefix(ONE_MAP_PREFIX): path for path in sorted(folder.glob(f"{ONE_MAP_PREFIX}*.nrrd"))}
    for one in sorted(found, key=lambda one: roles.index(one) if one in roles else len(roles)):
        paths[_("{map} of {part}").format(map=shown["name"], part=one)] = found[one]
    nodes = []
    for name, path in paths.items():
        volume = impact if path is None else read_volume(path)
        yield
        nodes.append(add_volume(volume, names.of(name)))
        style_impact(nodes[-1], scale, shown["unit"])
        yield
    return nodes


def _add_surface(folder: Path, report: Mapping[str, Any], scale: ColorScale, names: ResultNames) -> list[Any]:
    path = folder / SURFACE_FILE
    if not path.exists():
        return []
    model = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", names.of(_("Coloured surface")))
    model.SetAndObservePolyData(read_surface(path))
    color_model(model, scale, report["settings"]["map"]["unit"])
    return [model]


def _add_sides(folder: Path, names: ResultNames) -> list[Any]:
    path = folder / SIDES_FILE
    return [add_side_table(path, names.of(_("Sides")))] if path.exists() else []
