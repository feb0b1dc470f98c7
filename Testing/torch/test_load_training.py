"""Training, figures, card and model folder of the lesion load, on made-up patients."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from load_cases import RECIPE, soil

from LesionLensLib.errors import UserError
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.lesion_load.brains import LabelledBrains
from LesionLensLib.training.lesion_load.evaluation import (
    Judged,
    bright_voxels,
    fit_bright_voxels,
    judge,
    load_figures,
    mae,
    r2,
    rmse,
    write_predictions,
)
from LesionLensLib.training.lesion_load.examples import LoadBatch, LoadBatches
from LesionLensLib.training.lesion_load.learner import LoadLearner, cell_loss, load_loss
from LesionLensLib.training.lesion_load.recipe import LoadRecipe
from LesionLensLib.training.lesion_load.records import load_card, loads_record, soils_record
from LesionLensLib.training.lesion_load.soils import held_out_soils, training_soils
from LesionLensLib.training.lesion_load.trainer import make_state, train_network, train_step

REPOSITORY = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")


def quiet(step: int, text: str) -> None:
    pass


def judged(truth: list[list[float]], said: list[list[float]], patients: str = "aab") -> Judged:
    bright = np.array(truth)[:, 1:] * 100
    cases = tuple(f"c{n}" for n in range(len(truth)))
    return Judged("held-out", cases, tuple(patients), np.array(truth), np.array(said), bright)


def test_a_resumed_run_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path) -> None:
    soils = [soil(), soil(1, patient="p2")]
    whole = train_network(RECIPE, soils, tmp_path / "whole", CPU, quiet)
    half = train_network(RECIPE, soils, tmp_path / "broken", CPU, quiet, should_stop=lambda step: step == 2)
    assert half.step == 2
    resumed = train_network(RECIPE, soils, tmp_path / "broken", CPU, quiet)
    assert resumed.step == whole.step == RECIPE.steps
    for name, value in whole.average.items():
        assert torch.equal(value, resumed.average[name]), name
    fresh = make_state(RECIPE, CPU).average
    assert any(not torch.equal(fresh[name], value) for name, value in whole.average.items())


def test_the_loss_is_the_squared_error_in_units() -> None:
    said, truth = torch.tensor([[3.0, 2.0, 1.0]]), torch.tensor([[1.0, 2.0, 0.0]])
    assert float(load_loss(said, truth, 2.0)) == pytest.approx((1 + 0 + 0.25) / 3)


def test_the_loss_of_the_cells_is_that_of_the_mean_share_in_each_in_its_own_spread() -> None:
    shares = torch.zeros(1, 4, 4, 4)
    shares[0, :2, :2, :2] = 0.5
    shares[0, 2:, 2:, 3] = 1.0
    truth = torch.zeros(1, 1, 2, 2, 2)
    truth[0, 0, 0, 0, 0], truth[0, 0, 1, 1, 1] = 0.5, 0.5
    spread = truth.std()
    assert float(cell_loss(truth / spread, shares)) == pytest.approx(0, abs=1e-12)
    assert float(cell_loss(truth * 0, shares)) == pytest.approx(float((truth / spread).square().mean()))
    assert float(cell_loss(truth * 0, shares * 0)) == 0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_loss_falls_where_there_is_something_to_learn(precision: str) -> None:
    options = {"widths": [4, 8], "hidden": 8, "unit": 1.0}
    recipe = replace(
        RECIPE, batch=4, learning_rate=5e-3, head_rate=1.0, steps=60, options=options, precision=precision
    )
    state = make_state(recipe, CPU)
    images, shares = torch.zeros(4, 2, 16, 16, 16), torch.zeros(4, 16, 16, 16)
    loads = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [2.0, 1.0, 1.0]])
    for number, (_, left, right) in enumerate(loads):
        shares[number, 6:10, 6:10, 11:14] = left
        shares[number, 6:10, 6:10, 2:5] = right
    images[:, 1] = 3 * shares
    losses = [train_step(state, recipe, LoadBatch(images, loads, shares), CPU) for _ in range(60)]
    assert losses[-1] < 0.05 * losses[0]
    assert state.step == 60
    state.network.eval()
    with torch.inference_mode():
        said, (cells,) = state.network(images)
        assert torch.allclose(said[:, 1], loads[:, 1], atol=0.35)
        assert float(cell_loss(cells, shares)) < 0.7


def test_the_hidden_layer_learns_at_its_own_rate_and_readers_of_cells_are_not_part_of_the_model() -> None:
    recipe = replace(RECIPE, learning_rate=1e-3, head_rate=0.1, warm_up_steps=0, weight_decay=0.0)
    state, soils = make_state(recipe, CPU), [soil()]
    before = {name: value.clone() for name, value in state.network.state_dict().items()}
    train_step(state, recipe, LoadBatches(soils, recipe).batch(0), CPU)
    moved = {name: float((value - before[name]).abs().max()) for name, value in state.network.state_dict().items()}
    # The first step of Adam is as long as the rate, whatever the gradient.
    assert moved["network.hidden.weight"] == pytest.approx(1e-4, rel=0.05)
    assert moved["network.output.weight"] == pytest.approx(1e-3, rel=0.05)
    names = set(state.network.weights(state.average))
    assert names == set(state.network.network.state_dict())
    assert any(name.startswith("readers.") for name in state.average)
    with pytest.raises(ValueError, match="blocks 0 to 1"):
        LoadLearner(state.network.network, (2,))


def test_errors_and_explained_variance_are_those_of_the_textbook() -> None:
    truth, said = np.array([1.0, 2.0, 6.0]), np.array([2.0, 2.0, 4.0])
    assert mae(truth, said) == pytest.approx(1.0)
    assert rmse(truth, said) == pytest.approx((5 / 3) ** 0.5)
    assert r2(truth, said) == pytest.approx(1 - 5 / 14)
    assert np.isnan(r2(np.ones(3), said))


def test_a_figure_has_an_interval_over_patients_and_tells_of_the_difference_of_the_sides() -> None:
    rng = np.random.default_rng(0)
    sides = rng.uniform(0, 20, (60, 2))
    wrong = sides + rng.normal(0, 2, (60, 2))
    truth, said = ([[a + b, a, b] for a, b in each] for each in (sides, wrong))
    figures = load_figures(judged(truth, said, "abcdef" * 10), 300)
    assert list(figures) == ["total", "left", "right", "left_minus_right"]
    error = figures["left"]["rmse_ml"]
    assert error["low"] < error["value"] < error["high"]
    assert error["value"] == pytest.approx(2.0, rel=0.3)
    assert (error["patients"], error["cases"]) == (6, 60)
    assert figures["left_minus_right"]["rmse_ml"]["value"] == pytest.approx(2 * 2**0.5, rel=0.3)
    assert 0.85 < figures["left"]["r2"]["value"] < 1
    same = load_figures(judged([[2.0, 1.0, 1.0]] * 3, said[:3]), 100)["left"]
    assert same["r2"]["value"] is None, "without differences nothing can be explained"
    assert same["mae_ml"]["value"] > 0
    alone = load_figures(judged(truth, said, "a" * 60), 300)["left"]["rmse_ml"]
    assert alone["value"] == error["value"]
    assert alone["patients"] == 1
    assert alone["low"] < alone["value"] < alone["high"], "with one patient his cases are drawn"


def test_the_baseline_is_a_line_through_the_number_of_bright_voxels() -> None:
    truth = [[3.0, 1.0, 2.0], [7.0, 3.0, 4.0], [0.0, 0.0, 0.0]]
    described = judged(truth, truth)
    line = fit_bright_voxels(described)
    assert line == pytest.approx([0.01, 0.0], abs=1e-9)
    assert bright_voxels(described, line).said == pytest.approx(np.array(truth))
    dark = replace(described, bright=described.bright * 0)
    assert fit_bright_voxels(dark) == pytest.approx([0.0, 10 / 6])


def test_a_network_is_judged_at_rest_on_either_side_of_the_box() -> None:
    batches = LoadBatches([soil()], RECIPE)
    network = make_state(RECIPE, CPU).network.network.train()
    found = judge("training", network, (batches.example(n, 2) for n in range(11)), CPU)
    assert (found.truth.shape, found.said.shape, found.bright.shape) == ((11, 3), (11, 3), (11, 2))
    assert set(found.patients) == {"p1"}
    assert not network.training
    example = batches.example(4, 2)
    assert found.truth[4] == pytest.approx(example.loads_ml.numpy(), abs=1e-5)
    left = (example.images[1, :, :, 8:] > 2).sum()
    assert found.bright[4, 0] == float(left)
    with torch.inference_mode():
        assert found.said[4] == pytest.approx(network(example.images[None])[0].numpy(), abs=1e-4)


def test_the_card_states_spread_error_and_differences_and_the_table_every_case(tmp_path: Path) -> None:
    truth = [[3.0, 1.0, 2.0], [7.0, 3.0, 4.0], [4.0, 4.0, 0.0]]
    said = [[4.0, 2.0, 2.0], [6.0, 3.0, 3.0], [4.0, 3.0, 1.0]]
    described, held_out = judged(truth, said), judged(truth, said)
    card = load_card(replace(RECIPE, card={"id": "x"}), described, held_out)
    total, left, _ = card["regression"]["outputs"]
    assert (card["id"], total["name"], left["unit"]) == ("x", "total", "ml")
    assert left["sigma"] == pytest.approx(np.std([2, 3, 3]))
    assert total["error"] == pytest.approx((2 / 3) ** 0.5, abs=1e-3)
    differences = card["regression"]["differences"]
    assert (differences["truth"][0], differences["truth"][20], differences["truth"][-1]) == (-1.0, -1.0, 4.0)
    assert (differences["predicted"][0], differences["predicted"][-1]) == (0.0, 2.0)
    assert card["network"] == {"name": "vgg3d", "in_channels": 2, "out_channels": 3, "field": [16, 16, 16],
                               "widths": [2, 4], "hidden": 4, "unit": 1.0}  # fmt: skip
    write_predictions([described, replace(held_out, name="training")], tmp_path / "predictions.csv")
    with (tmp_path / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["set"] for row in rows] == ["held-out"] * 3 + ["training"] * 3
    assert (rows[1]["true_right_ml"], rows[1]["right_ml"], rows[1]["patient"]) == ("4.0000", "3.0000", "a")


def test_the_report_tells_what_was_planted_and_how_far_the_sides_go_together() -> None:
    record = soils_record([soil(), soil(1), soil(2, "phantom", "x")])
    assert record["real"]["patients"] == ["p1"]
    assert record["real"]["plantings"] == 2
    assert record["phantom"]["planted_ml"] == [pytest.approx(float(soil(2, "phantom", "x").part_ml.sum()), abs=0.06)]
    truth = [[3.0, 1.0, 2.0], [7.0, 3.0, 4.0], [4.0, 4.0, 0.0]]
    loads = loads_record(judged(truth, truth))
    assert loads["quartiles_ml"]["left_minus_right"] == [-1.0, -1.0, -1.0, 1.5, 4.0]
    assert loads["correlation_of_left_and_right"] == pytest.approx(np.corrcoef([1, 3, 4], [2, 4, 0])[0, 1], abs=1e-3)
    alike = [[2.0, 1.0, 1.0]] * 3
    assert loads_record(judged(alike, alike))["correlation_of_left_and_right"] is None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"bias": "right"}, "bias is 'right'"),
        ({"task": "outcome"}, "task is 'outcome'"),
        ({"roles": ["PET"]}, "unknown"),
        ({"options": {"field": [8, 8, 8]}}, "options name field"),
        ({"steps": 0}, "number that cannot be"),
        ({"precision": "fp8"}, "precision is 'fp8'"),
        ({"cell_blocks": [-1]}, "number that cannot be"),
        ({"soils": {"plantings": 0}}, "number that cannot be"),
        ({"loads": {"most": 3}}, "no setting called most"),
        ({"stepz": 3}, "no setting called stepz"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        LoadRecipe.from_dict(change)


def test_a_field_that_the_network_cannot_halve_is_refused() -> None:
    with pytest.raises(UserError, match="cannot be built"):
        make_state(replace(RECIPE, field=(18, 16, 16)), CPU)
    with pytest.raises(UserError, match="cannot be built"):
        make_state(replace(RECIPE, cell_blocks=(2,)), CPU)


def test_a_recipe_is_the_same_after_it_was_written_down() -> None:
    record = json.loads(json.dumps(RECIPE.to_dict()))
    assert LoadRecipe.from_dict(record) == RECIPE


def test_a_test_patient_is_never_read_and_one_held_out_never_planted_for_training(tmp_path: Path) -> None:
    """The files do not exist: reading any of them would fail."""
    images = {role: tmp_path / f"{role}.nii.gz" for role in ("T1", "T2", "FLAIR", "brain", "lesion")}
    rows = [ManifestRow("t", "t", "test", "", images), ManifestRow("h", "h", "train", "", images)]
    recipe = replace(RECIPE, held_out_patients=("h",), soils=replace(RECIPE.soils, phantoms=0))
    labelled = LabelledBrains(rows)
    assert training_soils(rows, labelled, recipe, tmp_path, lambda text: None) == []
    with pytest.raises(UserError, match="none of the patients that the recipe holds out"):
        held_out_soils(rows, labelled, replace(recipe, held_out_patients=("t",)), tmp_path, lambda text: None)
