"""A model that was trained here predicts on the command line what its training wrote down of held-out patients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sarcoma_cases import write_patients

from LesionLensLib.catalogue import find_card, load_typicality
from LesionLensLib.cli.main import main
from LesionLensLib.images import read_volume
from LesionLensLib.inference.outcome_network import load_outcome_networks
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.metrics import dice
from LesionLensLib.outcome.outcomes import Outcomes
from LesionLensLib.progress import SilentProgress
from LesionLensLib.training.fit_calibration import fit_calibration
from LesionLensLib.training.outcome.predictions import Prediction, read_predictions
from LesionLensLib.training.outcome.statistics import calibration_of, typicality_of
from LesionLensLib.training.outcome.study import run_study
from LesionLensLib.training.sarcoma.cases import read_case
from LesionLensLib.training.sarcoma.kind import SarcomaKind
from LesionLensLib.training.sarcoma.prediction import predict_case, tumour_dice
from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe

REPOSITORY = Path(__file__).resolve().parents[2]
CARD = OutcomeRecipe.read(REPOSITORY / "Resources" / "Recipes" / "chmfl-sarcoma.yaml").card
RECIPE = OutcomeRecipe(
    options={"levels": 2, "base_width": 2, "hidden": [8]}, spacing_mm=4.0, field_mm=(32.0, 32.0, 48.0), folds=3,
    steps=30, pretrain_steps=10, learning_rate=0.02, normalization="petct-physical", views=2, card=CARD, bootstrap=200,
    dice_weight=1.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[ManifestRow]:
    return write_patients(tmp_path_factory.mktemp("patients"), 9, tested=0)


@pytest.fixture(scope="module")
def model(rows: list[ManifestRow], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study, which is a model folder."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("study") / "model"
    run_study(SarcomaKind(), RECIPE, rows, folder, "cpu", SilentProgress())
    return folder


def predict(row: ManifestRow, model: Path, output: Path) -> dict[str, Any]:
    arguments = ["predict", "--model", str(model), "--output", str(output), "--device", "cpu", "--progress", "none"]
    inputs = [f"--input={role}={row.files[role]}" for role in ("PET", "CT")]
    assert main([*arguments, *inputs, "--mask", f"lesion={row.files['lesion']}"]) == 0
    result: dict[str, Any] = json.loads((output / "report.json").read_text())["result"]
    return result


def test_each_folds_network_says_of_a_patient_it_never_saw_what_the_training_wrote_down(
    model: Path, rows: list[ManifestRow], tmp_path: Path
) -> None:
    held_out = {prediction.case: prediction for prediction in read_predictions(model / "predictions.csv")}
    spread = []
    for row in rows[:4]:
        found = predict(row, model, tmp_path / row.case)
        written = held_out[row.case]
        # The model folder keeps half precision.
        assert found["logits"]["folds"][int(written.fold)] == pytest.approx(written.score, rel=0.01, abs=0.01)
        spread += found["logits"]["folds"]
    assert np.std(spread) > 0.02


def test_the_card_keeps_the_calibration_of_held_out_patients_and_their_typicality(
    model: Path, rows: list[ManifestRow]
) -> None:
    card = find_card(str(model))
    assert card.outcome is not None
    assert card.outcome.event == "lung metastasis"
    assert card.outcome.field_mm == (32.0, 32.0, 48.0)
    said = read_predictions(model / "predictions.csv")
    outcomes = Outcomes.of([p.outcome for p in said], [p.score for p in said], [p.patient for p in said])
    expected = fit_calibration(outcomes, [int(p.fold) for p in said]).calibration
    assert card.outcome.calibration == expected
    assert expected.patients == 9
    reference = load_typicality(card)
    assert reference is not None
    assert reference.cases == 9
    volumes = [read_volume(row.files["lesion"]) for row in rows]
    ml = [float((v.array != 0).sum() * v.grid.voxel_ml) for v in volumes]
    size = next(check for check in reference.checks if check.kind == "size")
    assert size.lowest[0] == pytest.approx(min(ml), rel=0.15)
    assert size.highest[0] == pytest.approx(max(ml), rel=0.15)


def test_the_features_of_typicality_are_the_pooled_vectors_of_each_folds_network(
    model: Path, rows: list[ManifestRow]
) -> None:
    reference = load_typicality(find_card(str(model)))
    assert reference is not None
    features = next(check for check in reference.checks if check.kind == "features")
    assert len(features.references) == 3
    networks = load_outcome_networks(find_card(str(model)))
    network = networks.folds[0][0]
    assert networks.final[0].decoder is not None
    assert network.decoder is None, "it only says the outcome"
    trained = load_file(model / "rows" / "chmfl" / "fold-0" / "member-0.safetensors")
    assert network.head.layers[0].weight.detach().numpy() == pytest.approx(
        trained["head.layers.0.weight"].numpy(), abs=1e-3
    )
    assert len(features.references[0].mean) == network.head.layers[0].in_features == 2 * (2 + 4)


def test_the_outline_overlaps_the_tumour_as_the_training_measures_it(
    model: Path, rows: list[ManifestRow], tmp_path: Path
) -> None:
    predict(rows[1], model, tmp_path / "case")
    outline = read_volume(tmp_path / "case" / "segmentation.seg.nrrd").array != 0
    truth = read_volume(rows[1].files["lesion"]).array != 0
    overlap = dice(np.array([(outline & truth).sum(), (outline & ~truth).sum(), (~outline & truth).sum()], float))
    networks = load_outcome_networks(find_card(str(model))).final
    case = read_case(rows[1], RECIPE.roles, RECIPE.field_of_view, 2)
    tumour = predict_case(networks, case, RECIPE, torch.device("cpu")).tumour
    assert tumour is not None
    expected = tumour_dice(case, tumour, RECIPE).whole
    assert 0 < overlap < 1
    assert overlap == pytest.approx(expected, abs=0.02)


def test_a_patient_the_model_learned_from_is_typical(model: Path, rows: list[ManifestRow], tmp_path: Path) -> None:
    usual = predict(rows[2], model, tmp_path / "usual")
    assert not usual["typicality"]["unlike"]
    assert usual["typicality"]["percentile"] < 100


def said(count: int, folds: int) -> list[Prediction]:
    scores = np.linspace(-2, 2, count)
    return [Prediction(f"c{n}", f"p{n}", str(n % folds), n % 2, 0.5, float(score)) for n, score in enumerate(scores)]


def test_too_few_folds_or_cases_give_no_calibration_and_no_typicality() -> None:
    assert calibration_of(said(12, 2)) is None
    assert calibration_of([]) is None
    fitted = calibration_of(said(12, 3))
    assert fitted is not None
    assert fitted.patients == 12
    assert typicality_of([], []) is None
