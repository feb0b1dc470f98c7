"""The nodes of an explanation: maps over the image, a coloured surface, regions and report in one folder."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from result_case import LESIONS, ResultCase

pytest.importorskip("slicer", reason="slicer-core is not installed")

from LesionLensLib.explain.regions import region_table, write_regions_csv
from LesionLensLib.explain.shells import lesion_shells
from LesionLensLib.explain.surface.colors import color_table
from LesionLensLib.explain.surface.probe import coloured_contour
from LesionLensLib.explain.surface.surface_files import write_surface
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, write_volume
from LesionLensLib.scene.build import build_scene
from LesionLensLib.scene.bundle import write_bundle
from LesionLensLib.scene.compare import describe_scene, differences

NOTE = "demonstration weights, simulated outcome"


def impact_of(case: ResultCase) -> Volume:
    """The lesion on the patient's left raises the answer, that on the right lowers it a little."""
    k, j, i = np.indices(case.grid.shape)
    ras = case.grid.ras_from_ijk(np.stack([i, j, k], -1))
    values = np.zeros(case.grid.shape, np.float32)
    for (center, radius), value in zip(LESIONS, (0.3, -0.1), strict=True):
        values += value * np.clip(1.5 - np.linalg.norm(ras - center, axis=-1) / radius, 0, 1).astype(np.float32)
    return Volume(values, case.grid)


def mask_of(case: ResultCase) -> Volume:
    return Volume(case.lesions.astype(np.uint8), case.grid)


def write_explanation(case: ResultCase, folder: Path, surface: bool = True, evidence: str = "simulated") -> Path:
    folder.mkdir(parents=True)
    impact = impact_of(case)
    mask = mask_of(case)
    write_volume(impact, folder / "map.nrrd")
    write_volume(Volume(impact.array / 2, case.grid), folder / "map-FLAIR.nrrd")
    write_regions_csv(folder / "regions.csv", region_table(impact, lesion_shells(mask)))
    if surface:
        write_surface(coloured_contour(impact, mask, 2.0), folder / "surface.vtp")
    box = Grid((48, 48, 48), (1.0, 1.0, 1.0), (6.0, -36.0, -10.0))
    report = {
        "model": {"id": "attention-resnet-brainmet", "evidence": evidence, "reference_role": "FLAIR"},
        "inputs": [{"role": "FLAIR", "grid": case.grid.to_dict()}],
        "settings": {
            "map": {"name": "Occlusion impact", "unit": "change of probability", "signed": True},
            "modalities": {"FLAIR": "MR"},
            "network_grid": box.to_dict(),
        },
        "result": {"method": "occlusion", "peak": {"ras": list(LESIONS[0][0])}, "text": "The map survives."},
    }
    (folder / "report.json").write_text(json.dumps(report))
    return folder


@pytest.fixture
def built(slicer: Any, left_handed: ResultCase, tmp_path: Path) -> Any:
    folder = write_explanation(left_handed, tmp_path / "explanation")
    return build_scene(folder, {"FLAIR": left_handed.image}, "FLAIR", None, {})


def test_every_node_is_in_one_folder_and_says_that_the_outcome_is_simulated(slicer: Any, built: Any) -> None:
    from LesionLensLib.scene.hierarchy import nodes_in

    names = {node.GetName() for node in nodes_in(built.folder_item)}
    first_words = {name.split(" attention-resnet-brainmet")[0] for name in names}
    maps = {"Occlusion impact", "Occlusion impact of FLAIR"}
    assert first_words == maps | {"Regions", "Coloured surface", "Report", "Head surface"}
    assert all(NOTE in name for name in names)
    assert built.report.GetText() == (json.dumps(json.loads(built.report.GetText())))


def test_maps_of_single_layers_come_after_those_of_the_channels(
    slicer: Any, left_handed: ResultCase, tmp_path: Path
) -> None:
    from LesionLensLib.scene.explanation import show_explanation
    from LesionLensLib.scene.volumes import load_volume

    folder = write_explanation(left_handed, tmp_path / "explanation", surface=False)
    for layer in ("level-1", "Block-2"):
        write_volume(Volume(impact_of(left_handed).array / 4, left_handed.grid), folder / f"map-{layer}.nrrd")
    nodes = show_explanation(folder, {"FLAIR": load_volume(left_handed.image, "FLAIR")}, context_surface=False)
    names = [node.GetName().split(" attention-resnet")[0] for node in nodes.others]
    assert names == ["Occlusion impact", *(f"Occlusion impact of {one}" for one in ("FLAIR", "Block-2", "level-1"))]


def test_the_map_keeps_its_values_where_they_are_in_the_patient(slicer: Any, built: Any, left_handed: Any) -> None:
    from LesionLensLib.scene.volumes import volume_of_node

    shown = volume_of_node(built.others[0])
    for (center, _), value in zip(LESIONS, (0.3, -0.1), strict=True):
        i, j, k = np.rint(shown.grid.ijk_from_ras(np.array(center))).astype(int)
        assert shown.array[k, j, i] == pytest.approx(value, abs=0.01)
    low, high = (getattr(built.others[0].GetDisplayNode(), f"GetWindowLevel{end}")() for end in ("Min", "Max"))
    assert (low, high) == pytest.approx((-0.3, 0.3), abs=0.01)
    other = built.others[1].GetDisplayNode()
    assert other.GetWindowLevelMax() == pytest.approx(high), "all maps in the same colours"


def test_the_coloured_surface_lies_at_the_lesions_with_their_impact(slicer: Any, built: Any) -> None:
    model = built.others[2]
    points = slicer.util.arrayFromModelPoints(model)
    impact = slicer.util.arrayFromModelPointData(model, "impact")
    for (center, radius), sign in zip(LESIONS, (1, -1), strict=True):
        distance = np.linalg.norm(points - center, axis=1)
        near = distance < radius + 6
        assert near.sum() > 50
        assert np.median(distance[near]) == pytest.approx(radius + 2, abs=1.0)
        assert (np.sign(impact[near]) == sign).mean() > 0.95
    assert model.GetDisplayNode().GetScalarRange() == pytest.approx((-0.3, 0.3), abs=0.01)


def test_the_slices_stand_at_the_peak_with_the_map_above(slicer: Any, built: Any) -> None:
    composite = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeRed")
    assert composite.GetForegroundVolumeID() == built.others[0].GetID()
    assert composite.GetBackgroundVolumeID() == built.reference.GetID()
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    assert red.GetSliceToRAS().GetElement(2, 3) == pytest.approx(LESIONS[0][0][2], abs=0.1)


def test_the_region_table_has_numbers_and_units(slicer: Any, built: Any, left_handed: ResultCase) -> None:
    table = built.table.GetTable()
    assert table.GetColumnByName("volume_ml").IsA("vtkDoubleArray")
    names = [table.GetValueByName(row, "name").ToString() for row in range(table.GetNumberOfRows())]
    assert names == [region.name for region in lesion_shells(mask_of(left_handed)).regions] + ["elsewhere"]
    shares = [table.GetValueByName(row, "share").ToDouble() for row in range(table.GetNumberOfRows())]
    assert sum(shares) == pytest.approx(1.0, abs=1e-3)
    assert built.table.GetColumnUnitLabel("volume_ml") == "ml"


def test_without_a_surface_the_map_itself_is_rendered(
    slicer: Any, left_handed: ResultCase, tmp_path: Path, built: Any
) -> None:
    logic = slicer.modules.volumerendering.logic()
    assert not logic.GetFirstVolumeRenderingDisplayNode(built.others[0]).GetVisibility()
    slicer.mrmlScene.Clear(0)
    folder = write_explanation(left_handed, tmp_path / "bare", surface=False)
    bare = build_scene(folder, {"FLAIR": left_handed.image}, "FLAIR", None, {})
    assert logic.GetFirstVolumeRenderingDisplayNode(bare.others[0]).GetVisibility()


def test_all_of_it_survives_a_saved_scene(slicer: Any, built: Any, tmp_path: Path) -> None:
    before = describe_scene()
    write_bundle(tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.ReadFromMRB(str(tmp_path / "scene.mrb"), True)
    assert differences(before, describe_scene()) == []


def test_pictures_show_the_raising_side_red_on_the_patients_left(
    slicer: Any, renderer: str, built: Any, tmp_path: Path
) -> None:
    from LesionLensLib.scene.pictures import open_views

    for name, view in open_views(built, (500, 500)):
        with closing(view):
            picture = view.grab()
            view.save(tmp_path / f"{name}.png")
            if name != "axial":
                continue
            row, column = view.pixel_of(LESIONS[0][0])
            color = picture[row, column].astype(int)
            assert color[0] > color[2] + 30
            assert column > 250, "the patient's left is on the right of the picture"
            # The bar of the legend ends in the colour of the highest impact, and of the lowest.
            beside = picture[:, 440:465].reshape(-1, 3).astype(int)
            for end in (0, -1):
                assert (np.abs(beside - color_table("coolwarm")[end] * 255).max(axis=1) < 6).sum() > 10
