"""The nodes of a prediction: outline, PET over CT, body and report in one folder, named as what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pet_files import write_pet
from sarcoma_cases import GRID, make_patient, place_ras, write_patients

pytest.importorskip("slicer", reason="slicer-core is not installed")

from LesionLensLib.cli.main import main
from LesionLensLib.images import Volume, write_volume
from LesionLensLib.images.segmentation_file import Segment, write_segmentation
from LesionLensLib.inference.field_of_view import FieldOfView
from LesionLensLib.scene.build import build_scene

SEED = 5
NOTE = "demonstration weights, simulated outcome"


def write_result(folder: Path, evidence: str = "real-data", outlined: bool = True) -> Path:
    """Write images and the result folder of a prediction whose outline is the tumour itself."""
    patient = make_patient(SEED, 1)
    result = folder / "result"
    result.mkdir(parents=True)
    # Air around a limb, so that there is a body to see.
    _, j, i = np.indices(GRID.shape)
    limb = np.hypot((i - 12.5) * 4.0, (j - 11.5) * 4.5) < 40
    ct = np.where(limb, patient["CT"].array, -1000.0).astype(np.float32)
    for role, volume in {"PET": patient["PET"], "CT": Volume(ct, GRID)}.items():
        write_volume(volume, folder / f"{role}.nii.gz")
    if outlined:
        segment = Segment("tumour", "Tumour", 1, (0.9, 0.2, 0.2), "a~SCT^1^b~SCT^2^c~^^~d~SCT^3^e~^^")
        write_segmentation(patient["lesion"], [segment], result / "segmentation.seg.nrrd")
    center = [float(part) for part in place_ras(SEED)]
    view = FieldOfView((48.0, 48.0, 48.0), 4.0, 2).grid(GRID, center)
    report = {
        "model": {"id": "chmfl-sarcoma", "evidence": evidence, "reference_role": "CT"},
        "inputs": [{"role": role, "grid": GRID.to_dict()} for role in ("PET", "CT")],
        "settings": {
            "modalities": {"PET": "PT", "CT": "CT"},
            "assumed": {"weight_kg": None, "dose_mbq": None, "uptake_minutes": None},
            "network_grids": [view.to_dict()],
        },
        "result": {"probability": 0.4, "center_ras": center, "text": "Probability of lung metastasis: 0.40."},
    }
    (result / "report.json").write_text(json.dumps(report))
    return result


def build(result: Path, **inputs: Path) -> Any:
    paths = {role: result.parent / f"{role}.nii.gz" for role in ("PET", "CT")} | inputs
    return build_scene(result, paths, "CT", None, {})


def test_a_prediction_lies_in_one_folder_beside_the_ct(slicer: Any, tmp_path: Path) -> None:
    from LesionLensLib.scene.hierarchy import nodes_in, subject_hierarchy

    nodes = build(write_result(tmp_path))
    assert subject_hierarchy().GetItemName(nodes.folder_item) == "chmfl-sarcoma on CT"
    names = [node.GetName() for node in nodes_in(nodes.folder_item)]
    assert sorted(names) == [
        "Body surface chmfl-sarcoma", "Outline chmfl-sarcoma", "Report chmfl-sarcoma, research use only"
    ]  # fmt: skip
    assert all("Research use only" in node.GetDescription() for node in nodes_in(nodes.folder_item))
    assert "lung metastasis: 0.40" in nodes.report.GetDescription()
    assert json.loads(nodes.report.GetText())["result"]["probability"] == 0.4


def test_the_outline_lies_in_the_patient_where_the_tumour_is(slicer: Any, tmp_path: Path) -> None:
    from LesionLensLib.scene.segments import largest_lesion_ras, terminology_of

    nodes = build(write_result(tmp_path))
    assert largest_lesion_ras(nodes.segmentation, nodes.reference) == pytest.approx(place_ras(SEED), abs=5.0)
    assert nodes.focus_ras == pytest.approx(place_ras(SEED))
    segment = nodes.segmentation.GetSegmentation().GetSegment("tumour")
    assert segment.GetName() == "Tumour"
    assert terminology_of(segment).startswith("a~SCT^1^b")


def test_the_pet_lies_over_the_ct_in_every_slice_view_and_cold_tissue_is_clear(slicer: Any, tmp_path: Path) -> None:
    build(write_result(tmp_path))
    pet, ct = slicer.util.getNode("PET"), slicer.util.getNode("CT")
    scene = slicer.mrmlScene
    composites = [
        scene.GetNthNodeByClass(index, "vtkMRMLSliceCompositeNode")
        for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode"))
    ]
    assert len(composites) == 3
    for composite in composites:
        assert composite.GetBackgroundVolumeID() == ct.GetID()
        assert composite.GetForegroundVolumeID() == pet.GetID()
        assert composite.GetForegroundOpacity() == pytest.approx(0.5)
    display = pet.GetDisplayNode()
    assert display.GetApplyThreshold()
    assert display.GetLowerThreshold() == 1.0
    assert 5.0 <= display.GetWindowLevelMax() <= 20.0
    assert ct.GetDisplayNode().GetWindowLevelMin() == -160.0
    assert ct.GetDisplayNode().GetWindowLevelMax() == 240.0


def test_a_pet_from_dicom_is_shown_in_suv(slicer: Any, tmp_path: Path) -> None:
    result = write_result(tmp_path)
    pet = make_patient(SEED, 1)["PET"]
    upright = pet.grid.closest_to_lps()
    activity = 370e6 / 2 / 70e3
    raw = Volume(np.round(pet.array[::-1] * activity).astype(np.int16), upright)
    build(result, PET=write_pet(raw, tmp_path / "pet"))
    shown = slicer.util.arrayFromVolume(slicer.util.getNode("PET"))
    assert shown.max() == pytest.approx(pet.array.max(), rel=1e-3)


def test_the_body_is_the_limb_and_not_the_air_around(slicer: Any, tmp_path: Path) -> None:
    nodes = build(write_result(tmp_path))
    bounds = np.array(nodes.surface.GetPolyData().GetBounds()).reshape(3, 2)
    extent = np.ptp(bounds, axis=1)
    assert 70 < extent[0] < 110, "a limb of 80 mm, tilted"
    middle = GRID.ras_from_ijk((12.5, 11.5, 8.5))
    assert bounds.mean(1) == pytest.approx(middle, abs=12.0)


def test_without_an_outline_there_is_a_scene_all_the_same(slicer: Any, tmp_path: Path) -> None:
    nodes = build(write_result(tmp_path, outlined=False))
    assert nodes.segmentation is None
    assert len(nodes.data_nodes) == 2
    logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName("Red")
    offset = logic.GetSliceNode().GetSliceToRAS().GetElement(2, 3)
    assert offset == pytest.approx(place_ras(SEED)[2], abs=0.5)


def test_every_name_of_a_simulated_models_result_says_so(slicer: Any, tmp_path: Path) -> None:
    from LesionLensLib.scene.hierarchy import subject_hierarchy

    nodes = build(write_result(tmp_path, evidence="simulated"))
    assert NOTE in subject_hierarchy().GetItemName(nodes.folder_item)
    assert all(NOTE in node.GetName() for node in nodes.data_nodes)


@pytest.mark.usefixtures("renderer")
def test_the_command_writes_scene_and_pictures_of_a_prediction(tiny_outcome_model: Path, tmp_path: Path) -> None:
    (row,) = write_patients(tmp_path / "patient", 1, tested=0)
    output = tmp_path / "result"
    inputs = [f"--input={role}={row.files[role]}" for role in ("PET", "CT")]
    arguments = ["predict", *inputs, f"--mask=lesion={row.files['lesion']}", "--model", str(tiny_outcome_model)]
    assert main([*arguments, "--output", str(output), "--device", "cpu", "--scene", "--progress", "none"]) == 0
    report = json.loads((output / "report.json").read_text())
    assert "scene-incomplete" not in [finding["code"] for finding in report["findings"]]
    pictures = [f"views/{name}.png" for name in ("axial", "coronal", "sagittal", "threed")]
    assert [entry["path"] for entry in report["outputs"]] == ["scene.mrb", "segmentation.seg.nrrd", *pictures]
    assert min((output / name).stat().st_size for name in pictures) > 5000


def test_of_two_legs_the_one_with_the_lesion_is_shown_though_the_other_is_larger() -> None:
    from LesionLensLib.display.context import around_body
    from LesionLensLib.geometry import Grid

    grid = Grid((60, 36, 12), (4.0, 4.0, 5.0), (0.0, 0.0, 0.0))
    ras = grid.ras_from_ijk(np.stack(np.indices(grid.shape)[::-1], -1))
    small, large = (-60.0, -70.0), (-170.0, -70.0)  # R and A of the axes; RAS is minus LPS here
    legs = [np.hypot(ras[..., 0] - r, ras[..., 1] - a) < radius for (r, a), radius in ((small, 30.0), (large, 45.0))]
    ct = Volume(np.where(legs[0] | legs[1], 40.0, -1000.0).astype(np.float32), grid)
    bounds = [around_body(ct, (*axis, 25.0)).surface.GetBounds() for axis in (small, large)]
    assert bounds[0][:2] == pytest.approx((-90.0, -30.0), abs=4.0)
    assert bounds[1][:2] == pytest.approx((-215.0, -125.0), abs=4.0)
    outside = around_body(ct, (-110.0, -10.0, 25.0)).surface.GetBounds()
    assert outside[:2] == pytest.approx(bounds[1][:2]), "in the air between them the larger one is taken"
