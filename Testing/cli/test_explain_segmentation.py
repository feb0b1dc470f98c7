"""`lesionlens explain` of a segmentation: the mean probability inside a mask, or in all lesions that are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from case_files import CaseFiles

from LesionLensLib.cli.main import main
from LesionLensLib.explain.job.segmentation import FastPass
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import MaskReadout
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_volume
from LesionLensLib.inference.network import build_network
from LesionLensLib.inference.passes import predict_whole

CUBES = ("--method=occlusion", "--size-mm=60", "--surface=none", "--no-checks")


def explain(case: CaseFiles, output: Path, *extra: str) -> int:
    inputs = case.call().arguments()[1:4]
    place = ["--output", str(output), "--model", str(case.model), "--device=cpu"]
    return main(["explain", *inputs, *place, *extra])


def result_of(output: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((output / "report.json").read_text())["result"]
    return result


def test_the_answer_is_the_mean_of_the_segmentations_own_probability_in_the_mask(case_files: CaseFiles) -> None:
    assert main(case_files.call().arguments()) == 0
    probability = read_volume(case_files.output / "probability.nrrd")
    grid = probability.grid
    k, j, i = np.indices(grid.shape)
    inside = np.linalg.norm(
        grid.ras_from_ijk(np.stack([i, j, k], -1)) - grid.ras_from_ijk((np.array(grid.size) - 1) / 2), axis=-1
    ) < 18  # fmt: skip
    mask = case_files.changed("T1", Volume(inside.astype(np.uint8), grid))
    output = case_files.folder / "explained"
    assert explain(case_files, output, f"--mask=lesion={mask}", *CUBES) == 0
    result = result_of(output)
    assert result["probability"] == pytest.approx(float(probability.array[inside].mean()), abs=0.03)
    impact = read_volume(output / "map.nrrd")
    assert impact.grid.is_close(grid)
    assert np.abs(impact.array).max() > 0
    middle = grid.ras_from_ijk((np.array(grid.size) - 1) / 2)
    assert np.linalg.norm(np.array(result["peak"]["ras"]) - middle) < 18 + 20 + 60, "only around the mask is looked at"


def test_without_a_mask_all_lesions_that_are_found_are_explained(case_files: CaseFiles) -> None:
    assert main(case_files.call().arguments()) == 0
    found = result_of(case_files.output)["lesion_count"]
    output = case_files.folder / "explained"
    assert explain(case_files, output, *CUBES) == 0
    assert result_of(output)["lesion_count"] == found
    lesions = read_volume(case_files.output / "segmentation.seg.nrrd").array
    assert np.array_equal(read_volume(output / "lesion.seg.nrrd").array != 0, lesions != 0)


def test_a_point_is_no_place_to_explain_a_segmentation(
    case_files: CaseFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(case_files, case_files.folder / "bad", "--center=0,0,0", *CUBES) == 2
    assert "inside a mask, not at a point" in capsys.readouterr().err


def test_the_fast_pass_gives_the_answer_of_the_network_itself() -> None:
    torch.manual_seed(1)
    network = build_network({"name": "rsanet", "in_channels": 2, "out_channels": 2, "base_width": 8}).eval()
    grid = Grid((16, 16, 16), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    image, mask = torch.randn(1, 2, *grid.shape), torch.zeros(grid.shape)
    mask[4:9, 5:7] = 1
    roles, readout = ("T1", "FLAIR"), MaskReadout(mask)
    slow = Question((network,), image, grid, roles, readout).answer
    fast = Question((FastPass(lambda x: predict_whole(network, x)),), image, grid, roles, readout).answer
    assert fast == pytest.approx(slow, abs=1e-6)
