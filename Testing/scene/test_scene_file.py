"""`scene.mrb`: written, reloaded and equal; no path and no name of this computer inside."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from result_case import MARK_RAS, SEGMENT_ID, ResultCase

pytest.importorskip("slicer", reason="slicer-core is not installed")

Show = Callable[..., Any]


@pytest.fixture
def reloaded(slicer: Any, show: Show, left_handed: ResultCase, tmp_path: Path) -> tuple[dict, dict, Path]:
    """What the scene held before it was saved, what it holds after closing and reloading, and the file."""
    from LesionLensLib.scene.bundle import write_bundle
    from LesionLensLib.scene.compare import describe_scene

    show(left_handed)
    before, path = describe_scene(), tmp_path / "scene.mrb"
    write_bundle(path)
    slicer.mrmlScene.Clear(0)
    assert not [name for name in describe_scene() if "rsanet-ms" in name]
    assert slicer.mrmlScene.ReadFromMRB(str(path), True)
    return before, describe_scene(), path


def test_a_saved_scene_comes_back_equal(reloaded: tuple[dict, dict, Path]) -> None:
    from LesionLensLib.scene.compare import differences

    before, after, _ = reloaded
    kinds = {name.split()[0] for name in before}
    assert kinds == {
        "vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode", "vtkMRMLTableNode", "vtkMRMLTextNode",
        "vtkMRMLModelNode", "vtkMRMLColorTableNode", "folder",
    }  # fmt: skip
    assert differences(before, after) == []
    assert differences(after, before) == []


def test_the_reloaded_lesion_lies_where_it_was_planted(slicer: Any, reloaded: tuple[dict, dict, Path]) -> None:
    from LesionLensLib.scene.segments import largest_lesion_ras

    segmentation = slicer.util.getNode("Lesions rsanet-ms")
    reference = slicer.util.getNode("FLAIR")

    np.testing.assert_allclose(largest_lesion_ras(segmentation, reference), MARK_RAS, atol=1.6)
    assert segmentation.GetClosedSurfaceInternalRepresentation(SEGMENT_ID).GetNumberOfPoints() > 100


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda util: util.arrayFromVolume(util.getNode("FLAIR")).__setitem__((1, 2, 3), 77), "voxels was"),
        (lambda util: util.getNode("FLAIR").SetOrigin(0, 0, 1), "ijk to ras was"),
        (lambda util: util.getNode("Lesions rsanet-ms").GetSegmentation().GetNthSegment(0).SetName("x"), "name was"),
        (lambda util: util.getNode("Lesions rsanet-ms").GetSegmentation().GetNthSegment(0).SetColor(0, 1, 0), "colour"),
        (
            lambda util: util.getNode("Lesions rsanet-ms").GetSegmentation().GetNthSegment(0).RemoveTag(
                "TerminologyEntry"
            ),
            "terminology was",
        ),
        (lambda util: util.getNode("Lesion table rsanet-ms").GetTable().SetValue(0, 1, 9.0), "column volume_ml was"),
        (lambda util: util.getNode("Lesion table rsanet-ms").SetColumnUnitLabel("volume_ml", "l"), "meaning of"),
        (lambda util: util.getNode("Report rsanet-ms*").SetText("{}"), "text was"),
        (lambda util: util.getNode("LesionLens probability*").SetColor(9, 0, 1, 0, 1), "colours was"),
    ],
)  # fmt: skip
def test_the_comparison_sees_each_kind_of_change(
    slicer: Any, show: Show, left_handed: ResultCase, change: Callable[[Any], Any], told: str
) -> None:
    from LesionLensLib.scene.compare import describe_scene, differences

    show(left_handed)
    before = describe_scene()
    change(slicer.util)
    found = differences(before, describe_scene())
    assert found
    assert all(told in line for line in found)


def test_the_comparison_sees_a_node_that_is_missing(slicer: Any, show: Show, left_handed: ResultCase) -> None:
    from LesionLensLib.scene.compare import describe_scene, differences

    show(left_handed)
    before = describe_scene()
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("Lesion table rsanet-ms"))
    assert "vtkMRMLTableNode Lesion table rsanet-ms is missing" in differences(before, describe_scene())


def test_the_scene_file_names_nothing_of_this_computer(
    reloaded: tuple[dict, dict, Path], left_handed: ResultCase
) -> None:
    from LesionLensLib.scene.bundle import check_bundle

    path = reloaded[2]
    assert check_bundle(path) == []
    with zipfile.ZipFile(path) as archive:
        text = archive.read("scene/scene.mrml").decode()
    for part in (str(path.parent), str(left_handed.folder), str(Path.home()), "/tmp"):
        assert part not in text


def test_a_damaged_or_incomplete_scene_file_is_found_out(reloaded: tuple[dict, dict, Path], tmp_path: Path) -> None:
    from LesionLensLib.scene.bundle import check_bundle

    path = reloaded[2]
    (tmp_path / "cut.mrb").write_bytes(path.read_bytes()[:5000])
    assert "not a scene file" in check_bundle(tmp_path / "cut.mrb")[0]

    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(tmp_path / "less.mrb", "w") as less:
        for item in whole.infolist():
            if not item.filename.endswith(".seg.nrrd"):
                text = whole.read(item).replace(b'fileName="Data/FLAIR.nrrd"', b'fileName="/home/me/FLAIR.nrrd"')
                less.writestr(item, text)
    faults = check_bundle(tmp_path / "less.mrb")
    assert len(faults) == 2
    assert any("is not in the bundle" in fault and "seg.nrrd" in fault for fault in faults)
    assert any("names a path of this computer" in fault for fault in faults)


def test_a_scene_file_that_cannot_be_written_is_the_environments_fault(
    slicer: Any, show: Show, left_handed: ResultCase, tmp_path: Path
) -> None:
    from LesionLensLib.errors import EnvironmentFault
    from LesionLensLib.scene.bundle import write_bundle

    show(left_handed)
    with pytest.raises(EnvironmentFault, match="could not be written"):
        write_bundle(tmp_path / "missing folder" / "scene.mrb")
