"""The quick estimate of lesion load beside the measured one: shown where its model is installed, never in the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from case_files import CaseFiles
from quick_model import ERROR_ML, LEFT_ML, RIGHT_ML, write_quick_model

from LesionLensLib.cli.main import main
from LesionLensLib.images import Volume, read_volume

FAILED = "no-quick-estimate"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of installed models."""
    root = tmp_path / "models"
    root.mkdir()
    monkeypatch.setenv("LESIONLENS_MODELS", str(root))
    return root


def report_of(case: CaseFiles, *extra: str) -> dict[str, Any]:
    assert main(case.call().plus(*extra).arguments()) == 0
    report: dict[str, Any] = json.loads((case.output / "report.json").read_text())
    return report


def codes(report: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in report["findings"]}


def test_the_estimate_stands_beside_the_measured_sides_with_its_error_and_where_it_learned(
    models: Path, case_files: CaseFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    write_quick_model(models)
    report = report_of(case_files)
    estimate, sides = report["result"]["quick_estimate"], report["result"]["sides"]
    assert (estimate["left_ml"], estimate["right_ml"]) == pytest.approx((LEFT_ML, RIGHT_ML), abs=2e-3)
    assert estimate["total_ml"] == pytest.approx(LEFT_ML + RIGHT_ML, abs=3e-3)
    assert estimate["error_ml"] == ERROR_ML
    assert estimate["model"] == "vgg-lesion-load"
    assert estimate["note"] == "learned from simulated lesions"
    total = report["result"]["lesion_volume_ml"]
    expected = (
        "Quick estimate, learned from simulated lesions: 4.9 ml (left 3.3, right 1.6), usual error 2.0 ml; "
        f"measured {total:.1f} ml (left {sides['left_ml']:.1f}, right {sides['right_ml']:.1f}). "
        "They are further apart than usual: compare the outlined lesions with the images before using either."
    )
    assert estimate["text"] == expected
    assert f"quick estimate         {expected}" in capsys.readouterr().out
    assert FAILED not in codes(report)
    assert report["timing"]["estimate"] > 0


def test_the_measured_sides_are_those_of_the_written_lesions_about_the_middle_of_the_brain(
    models: Path, case_files: CaseFiles
) -> None:
    """The brain is a wedge that widens to the right: of what is marked in it less lies left of its centroid."""
    grid = case_files.volume("FLAIR").grid
    k, j, i = np.indices(grid.shape)
    from_middle = grid.ras_from_ijk(np.stack([i, j, k], -1)) - grid.ras_from_ijk((np.array(grid.size) - 1) / 2)
    wedge = (np.abs(from_middle[..., 1]) < 0.5 * (from_middle[..., 0] + 50)) & (np.abs(from_middle) < 50).all(-1)
    mask = case_files.changed("brain", Volume(wedge.astype(np.uint8), grid))
    report = report_of(case_files, f"--mask=brain={mask}")
    sides, total_ml = report["result"]["sides"], report["result"]["lesion_volume_ml"]
    assert sides["left_ml"] + sides["right_ml"] == pytest.approx(total_ml, rel=1e-4)
    lesions, brain = (read_volume(case_files.output / name) for name in ("segmentation.seg.nrrd", "brain.nrrd"))
    right = [volume.grid.ras_from_ijk(np.argwhere(volume.array != 0)[:, ::-1])[:, 0] for volume in (lesions, brain)]
    left_ml = float((right[0] < right[1].mean()).sum()) * lesions.grid.voxel_ml
    assert sides["left_ml"] == pytest.approx(left_ml, rel=0.05)
    assert 0.2 < left_ml / total_ml < 0.48, "a test that could not tell left from right"


def test_without_the_model_or_on_request_there_is_no_estimate_and_no_warning(
    models: Path, case_files: CaseFiles
) -> None:
    report = report_of(case_files)
    assert "quick_estimate" not in report["result"]
    assert FAILED not in codes(report)
    folder = write_quick_model(models)
    report = report_of(case_files, "--no-quick-estimate", "--overwrite")
    assert "quick_estimate" not in report["result"]
    (folder / "weights.safetensors").unlink()
    report = report_of(case_files, "--overwrite")
    assert "quick_estimate" not in report["result"]
    assert FAILED not in codes(report)


def test_a_model_that_fails_is_a_warning_and_the_segmentation_stands(
    models: Path, case_files: CaseFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_quick_model(models)
    (folder / "weights.safetensors").write_bytes(b"damaged")
    report = report_of(case_files)
    assert "quick_estimate" not in report["result"]
    assert report["result"]["lesion_count"] > 0
    (finding,) = [finding for finding in report["findings"] if finding["code"] == FAILED]
    assert finding["severity"] == "warning"
    assert "hash differs" in finding["text"]
    assert "There is no quick estimate of the lesion load" in capsys.readouterr().err


def test_a_model_that_wants_a_channel_that_was_not_given_is_not_asked(models: Path, case_files: CaseFiles) -> None:
    folder = write_quick_model(models)
    card = json.loads((folder / "card.json").read_text())
    card["channel_def"][0] |= {"role": "PD", "title": "Proton density"}
    (folder / "card.json").write_text(json.dumps(card))
    report = report_of(case_files)
    assert "quick_estimate" not in report["result"]
    assert FAILED not in codes(report)
