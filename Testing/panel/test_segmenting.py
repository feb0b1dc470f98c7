"""From Apply to lesions in the scene, through the real program in a child process."""

from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panel_actions import press, run_to_end, wait_until
from pulse import LONGEST_PAUSE_S, Pulse

from LesionLensLib.images.read import read_volume
from LesionLensLib.images.write import write_volume
from LesionLensLib.phantom import HeadPhantom
from LesionLensLib.process import child_environment


@dataclass(frozen=True)
class ByCommandLine:
    """The images of the small head as files, and what the command line makes of them."""

    images: dict[str, Path]
    result: Path

    @property
    def rows(self) -> list[dict[str, str]]:
        """The lines of `lesions.csv`."""
        with (self.result / "lesions.csv").open(newline="") as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def by_command_line(tiny_model: Path, head: HeadPhantom, tmp_path_factory: pytest.TempPathFactory) -> ByCommandLine:
    """The case run by the command line."""
    folder = tmp_path_factory.mktemp("by-command-line")
    images = {role: folder / f"{role}.nii.gz" for role in head.channels}
    for role, path in images.items():
        write_volume(head.channels[role], path)
    inputs = [word for role, path in images.items() for word in ("--input", f"{role}={path}")]
    command = [sys.executable, "-m", "LesionLensLib", "segment", "--model", str(tiny_model), *inputs,
               "--output", str(folder / "result"), "--progress", "none"]  # fmt: skip
    subprocess.run(command, check=True, env=child_environment(), timeout=300)
    return ByCommandLine(images, folder / "result")


@pytest.fixture
def loaded(panel: Any, slicer: Any, by_command_line: ByCommandLine) -> Any:
    """The panel with the same files loaded by Slicer's own reader and chosen."""
    nodes = {role: slicer.util.loadVolume(str(path), {}) for role, path in by_command_line.images.items()}
    panel.parts.rows.choose(nodes)
    return panel


def leftovers(slicer: Any) -> list[str]:
    return [path.name for path in Path(slicer.app.temporaryPath).glob("LesionLens-*")]


def test_apply_makes_what_the_command_line_makes_and_a_click_on_a_lesion_shows_it(
    loaded: Any, slicer: Any, by_command_line: ByCommandLine
) -> None:
    from LesionLensLib.scene.segments import lesion_mask

    run_to_end(loaded)
    expected = read_volume(by_command_line.result / "segmentation.seg.nrrd").array > 0
    assert 0 < expected.sum() < expected.size, "the tiny model must find something, but not everything"
    segmentation = loaded._parameterNode.segmentation
    assert np.array_equal(lesion_mask(segmentation, loaded.parts.rows.nodes()["FLAIR"]), expected)
    rows = by_command_line.rows
    assert loaded.ui.lesionTable.rowCount == len(rows) > 0
    assert loaded.ui.lesionTable.item(0, 1).text() == f"{float(rows[0]['volume_ml']):.3f}"
    total = sum(float(row["volume_ml"]) for row in rows)
    assert len(rows) > 1
    assert loaded.ui.summaryLabel.text == f"{len(rows)} lesions, {total:.2f} ml in all."
    assert loaded.ui.statusLabel.text.startswith("Done in")
    assert loaded.ui.applyButton.text == "Apply"
    assert leftovers(slicer) == []
    assert_click_shows_lesion(loaded, slicer, [float(rows[-1][f"centroid_{axis}"]) for axis in "ras"])


def assert_click_shows_lesion(panel: Any, slicer: Any, centroid_ras: list[float]) -> None:
    import qt

    view = slicer.mrmlScene.AddNode(slicer.vtkMRMLSliceNode())
    table = panel.ui.lesionTable
    item = table.item(table.rowCount - 1, 0)
    table.scrollToItem(item)
    qt.QTest.mouseClick(table.viewport(), qt.Qt.LeftButton, qt.Qt.NoModifier, table.visualItemRect(item).center())
    shown = [view.GetSliceToRAS().GetElement(axis, 3) for axis in range(3)]
    assert np.allclose(shown, centroid_ras, atol=1e-3)


def test_the_console_gives_the_numbers_of_the_command_line(
    loaded: Any, slicer: Any, tiny_model: Path, by_command_line: ByCommandLine
) -> None:
    result = type(loaded.logic)().process(loaded.parts.rows.nodes(), model=str(tiny_model))
    volumes = [float(row["volume_ml"]) for row in by_command_line.rows]
    assert result.report["result"]["lesion_count"] == len(volumes) == result.table.GetNumberOfRows()
    assert [result.table.GetTable().GetColumnByName("volume_ml").GetValue(i) for i in range(len(volumes))] == volumes
    probability = slicer.util.arrayFromVolume(result.probability)
    difference = np.abs(probability - read_volume(by_command_line.result / "probability.nrrd").array)
    # Slicer's reader and ITK's differ in the last digits of a NIfTI header's position, not in a voxel.
    assert difference.max() < 1e-6
    assert leftovers(slicer) == []


def test_the_window_answers_while_the_work_runs_and_the_chosen_node_receives_the_lesions(
    filled: Any, slicer: Any
) -> None:
    filled.ui.segmentationSelector.addNode()
    chosen = filled.ui.segmentationSelector.currentNode()
    chosen.SetName("Mine")
    pulse = Pulse((filled,))
    press(filled.ui.applyButton)
    pulse.begin()
    wait_until(lambda: not filled.logic.isRunning)
    assert len(pulse.pauses_s) > 20
    assert max(pulse.pauses_s) < LONGEST_PAUSE_S
    assert len(pulse.seen[0]) > 3, "the status line must follow the phases of the work"
    assert filled._result.segmentation is chosen is filled._parameterNode.segmentation
    assert chosen.GetName() == "Mine"
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == [chosen]
    assert chosen.GetSegmentation().GetNthSegmentID(0) == "lesion"
    assert chosen.GetDisplayNode().GetVisibility2DOutline()
    displays = slicer.util.getNodesByClass("vtkMRMLSegmentationDisplayNode")
    assert displays == [chosen.GetDisplayNode()], "the display of the node that was merged must be gone"


def test_the_settings_of_the_panel_reach_the_program(filled: Any, slicer: Any, head: HeadPhantom) -> None:
    """With a threshold of 1 nothing is found; a brain mask may be a segmentation; the CPU's use is said in red."""
    mask = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Brain")
    reference = filled.parts.rows.nodes()["FLAIR"]
    mask.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    mask.GetSegmentation().AddEmptySegment("brain", "Brain")
    slicer.util.updateSegmentBinaryLabelmapFromArray(head.brain.array, mask, "brain", reference)
    filled.ui.brainMaskSelector.setCurrentNode(mask)
    filled.ui.thresholdSlider.value = 1.0
    filled.ui.deviceSelector.setCurrentIndex(filled.ui.deviceSelector.findText("CPU"))
    run_to_end(filled)
    assert filled._result is not None, filled.ui.statusLabel.text
    used = filled._result.report["settings"]
    assert used["brain_mask"]["method"] == "given"
    truth_ml = float(head.brain.array.sum()) * head.brain.grid.voxel_ml
    assert used["brain_mask"]["volume_ml"] == pytest.approx(truth_ml, rel=0.05)
    assert not slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode"), "the exported mask must not stay in the scene"
    assert filled.ui.summaryLabel.text == "0 lesions, 0.00 ml in all."
    assert filled.ui.lesionTable.rowCount == 0
    assert "Runs on the CPU: the CPU was asked for." in filled.ui.deviceLabel.text
    assert filled.ui.deviceLabel.visible
    assert 'color="red"' in filled.ui.deviceLabel.text


@pytest.mark.slow
def test_the_self_test_of_the_module_passes(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test that the application itself runs, with the shipped model on the whole simulated head."""
    from LesionLensLib.catalogue import find_card
    from LesionLensLib.errors import UserError
    from LesionSegmentation import LesionSegmentationTest

    monkeypatch.delenv("LESIONLENS_MODELS")
    try:
        find_card("rsanet-ms")
    except UserError as error:
        pytest.skip(f"the trained model is not in Resources/Models: {error.message}")
    LesionSegmentationTest().runTest()


def test_swapped_images_are_refused_with_a_sentence_and_a_remedy(filled: Any, slicer: Any) -> None:
    nodes = filled.parts.rows.nodes()
    filled.parts.rows.choose({"T1": nodes["FLAIR"], "FLAIR": nodes["T1"]})
    run_to_end(filled)
    assert 'color="red"' in filled.ui.statusLabel.text
    assert "T1" in filled.ui.statusLabel.text
    assert filled._result is None
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert leftovers(slicer) == []


def test_an_image_of_one_value_is_refused_with_a_sentence(filled: Any, slicer: Any) -> None:
    node = filled.parts.rows.nodes()["T2"]
    slicer.util.updateVolumeFromArray(node, np.full_like(slicer.util.arrayFromVolume(node), 7))
    run_to_end(filled)
    assert "T2" in filled.ui.statusLabel.text
    assert 'color="red"' in filled.ui.statusLabel.text
