"""`lesionlens predict` with a model of brain lesions, whose outcome is simulated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from brain_lesion_cases import GRID, TWO_LESIONS, write_patients
from tiny_outcome_model import changed_model

from LesionLensLib.cli.main import main
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_volume, write_volume
from LesionLensLib.inference import brain_lesion_input
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.outcome_card import SIMULATED_NOTE
from LesionLensLib.training.export import write_model
from LesionLensLib.training.local_failure.kind import model_card
from LesionLensLib.training.local_failure.recipe import LocalFailureRecipe
from LesionLensLib.training.local_failure.trainer import make_network

RECIPE = Path(__file__).parents[2] / "Resources" / "Recipes" / "attention-resnet-brainmet.yaml"
FOLDS = 3


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[ManifestRow]:
    return write_patients(tmp_path_factory.mktemp("brains"), TWO_LESIONS + 1, 0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped recipe's card with untrained networks, small enough for a test."""
    folder = tmp_path_factory.mktemp("model")
    record = LocalFailureRecipe.read(RECIPE).to_dict()
    small = {"options": {"depth": 10, "base_width": 8, "stages": 2, "groups": 4}, "field_mm": (32.0, 32.0, 32.0)}
    recipe = LocalFailureRecipe.from_dict({**record, **small, "rows": {}})
    weights: dict[str, torch.Tensor] = {}
    for fold, prefix in enumerate(["", *(f"fold.{fold}.0." for fold in range(FOLDS))]):
        network = make_network(LocalFailureRecipe.from_dict({**recipe.to_dict(), "seed": fold}))
        torch.nn.init.normal_(list(network.parameters())[-2], std=1.0)
        weights |= {prefix + name: value for name, value in network.state_dict().items()}
    card = model_card(recipe)
    write_model(weights, {**card, "ensemble": {**card["ensemble"], "folds": FOLDS}}, folder)
    return folder


def call(row: ManifestRow, model: Path, output: Path, *extra: str) -> list[str]:
    inputs = [f"--input={role}={row.files[role]}" for role in ("T1c", "FLAIR")]
    return ["predict", *inputs, "--output", str(output), "--model", str(model), "--device", "cpu", *extra]


def result(output: Path) -> dict:
    return json.loads((output / "report.json").read_text())["result"]


def test_the_brain_is_normalised_once_however_many_lesions_it_has(
    rows: list[ManifestRow], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [row for row in rows if row.patient == f"p{TWO_LESIONS:02d}"]
    masks = [read_volume(row.files["lesion"]).array for row in own]
    both = tmp_path / "both.nii.gz"
    write_volume(Volume(np.maximum(*masks), GRID), both)
    corrected = []
    correct = brain_lesion_input.correct_bias
    monkeypatch.setattr(brain_lesion_input, "correct_bias", lambda *a: corrected.append(1) or correct(*a))
    brain = f"--mask=brain={own[0].files['brain']}"
    assert main(call(own[0], model, tmp_path / "all", f"--mask=lesion={both}", brain)) == 0
    assert len(corrected) == 2, "once a channel"
    alone = []
    for number, row in enumerate(own):
        output = tmp_path / f"one{number}"
        assert main(call(row, model, output, f"--mask=lesion={row.files['lesion']}", brain)) == 0
        alone.append(result(output)["probability"])
    found = result(tmp_path / "all")
    assert sorted(one["probability"] for one in found["lesions"]) == pytest.approx(sorted(alone), abs=1e-6)
    assert alone[0] != alone[1]


def test_everything_of_a_model_with_simulated_outcomes_says_so(
    rows: list[ManifestRow], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row, output = rows[0], tmp_path / "result"
    assert main(call(row, model, output, f"--mask=lesion={row.files['lesion']}")) == 0
    assert result(output)["note"] == SIMULATED_NOTE
    assert SIMULATED_NOTE in result(output)["text"].lower()
    assert SIMULATED_NOTE in capsys.readouterr().err
    assert "segmentation.seg.nrrd" not in {path.name for path in output.iterdir()}, "this network outlines nothing"


def test_a_whole_head_is_refused_where_no_brain_mask_says_what_the_brain_is(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A skull and a scalp would set the scale of the z-scores, of which the networks know only brains."""
    grid = Grid((64, 64, 64), (3.0, 3.0, 3.0), (-94.5, -94.5, -94.5))
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    radius = np.linalg.norm(grid.ras_from_ijk(np.stack([i, j, k], axis=-1)), axis=-1)
    noise = np.random.default_rng(0).uniform(0, 20, grid.shape)
    files = {}
    for role, inner in (("T1c", 200), ("FLAIR", 100 + i)):
        files[role] = tmp_path / f"{role}.nii.gz"
        head = np.where(radius < 88, 300 + noise, noise) + inner * (radius < 60)
        write_volume(Volume(head.astype(np.float32), grid), files[role])
    row = ManifestRow("head", "head", "", "", files)
    assert main(call(row, model, tmp_path / "result", "--center=10,10,10")) == 2
    told = capsys.readouterr().err
    assert "The images show the whole head, but the model expects the brain alone." in told
    assert "brain mask" in told
    assert not (tmp_path / "result").exists()
    brain = tmp_path / "brain.nii.gz"
    write_volume(Volume((radius < 60).astype(np.uint8), grid), brain)
    assert main(call(row, model, tmp_path / "result", "--center=10,10,10", f"--mask=brain={brain}")) == 0
    anywhere = changed_model(model, tmp_path / "lenient", expects_skull_stripped=False)
    assert main(call(row, anywhere, tmp_path / "whole", "--center=10,10,10")) == 0
    assert result(tmp_path / "whole")["probability"] != result(tmp_path / "result")["probability"]
