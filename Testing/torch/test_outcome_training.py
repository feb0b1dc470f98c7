"""Training, prediction, resuming, tables and export of an outcome study, on tiny networks and made-up patients."""

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sarcoma_cases import write_patients
from torch import Tensor, nn

from LesionLensLib.catalogue import find_card, load_weights
from LesionLensLib.errors import Cancelled, UserError
from LesionLensLib.inference.outcome_network import load_outcome_networks
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.networks.chmfl import ChmflOutput
from LesionLensLib.progress import SilentProgress
from LesionLensLib.training.outcome.parts import Part, choose_parts, plan_folds, plan_parts
from LesionLensLib.training.outcome.predictions import Prediction, read_predictions, write_predictions
from LesionLensLib.training.outcome.study import run_study
from LesionLensLib.training.outcome.tables import row_figures, write_metrics
from LesionLensLib.training.sarcoma import trainer
from LesionLensLib.training.sarcoma.augmentation import OutcomeAugmentation
from LesionLensLib.training.sarcoma.batches import OutcomeBatches
from LesionLensLib.training.sarcoma.cases import OutcomeCase, read_case
from LesionLensLib.training.sarcoma.kind import SarcomaKind
from LesionLensLib.training.sarcoma.prediction import predict_case, tumour_dice
from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe
from LesionLensLib.training.sarcoma.trainer import batch_loss, learning_rate, make_state, train_network

REPOSITORY = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
RECIPE = OutcomeRecipe(
    options={"levels": 2, "base_width": 2, "hidden": [8]}, spacing_mm=4.0, field_mm=(32.0, 32.0, 48.0), folds=2,
    steps=4, pretrain_steps=1, learning_rate=0.01, averaging=0.5, normalization="petct-physical", views=2,
    dice_weight=0.5, clip_norm=5.0, augmentation=OutcomeAugmentation(flip_chance=0.5, shift_mm=4.0, suv_noise=0.1),
)  # fmt: skip
CARD = OutcomeRecipe.read(REPOSITORY / "Resources" / "Recipes" / "chmfl-sarcoma.yaml").card


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[ManifestRow]:
    return write_patients(tmp_path_factory.mktemp("sarcoma"), 8)


@pytest.fixture(scope="module")
def cases(rows: list[ManifestRow]) -> list[OutcomeCase]:
    return [read_case(row, RECIPE.roles, RECIPE.field_of_view, 4) for row in rows]


def train(recipe: OutcomeRecipe, cases: list[OutcomeCase], folder: Path, stop_at: int = 99) -> dict[str, Tensor]:
    def tell(step: int, text: str) -> None:
        return None

    return train_network(recipe, cases, folder, CPU, tell, lambda step: step == stop_at).average


@pytest.mark.parametrize(("stop_at", "worker"), [(1, False), (2, True)])
def test_a_resumed_run_ends_with_the_very_weights_of_an_unbroken_one(
    cases: list[OutcomeCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int, worker: bool
) -> None:
    """Dropout, batch statistics, running average and the order of patients must all go on where they stopped."""
    whole = train(RECIPE, cases, tmp_path / "whole")
    if worker:
        monkeypatch.setattr(trainer, "WORTH_A_WORKER", 1)
    half = train(RECIPE, cases, tmp_path / "broken", stop_at)
    resumed = train(RECIPE, cases, tmp_path / "broken")
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
    assert any(not torch.equal(half[name], value) for name, value in whole.items())
    assert int(whole["branches.0.levels.0.1.num_batches_tracked"]) == RECIPE.steps


def test_training_on_a_few_patients_lowers_both_losses(cases: list[OutcomeCase], tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=40, pretrain_steps=0, augmentation=OutcomeAugmentation(), batch=4, dice_weight=0.0)
    batch = OutcomeBatches(cases, recipe).batch(0)
    before = make_state(recipe, CPU).network
    after = train_network(recipe, cases, tmp_path, CPU, lambda step, text: None).network
    for w, least in ((0.0, 0.15), (1.0, 0.2)):
        losses = [batch_loss(network.eval(), recipe, batch, w, CPU).item() for network in (before, after)]
        assert losses[1] < losses[0] - least, f"w = {w}: {losses}"


def test_the_soft_dice_loss_is_added_to_the_outline_by_its_share(cases: list[OutcomeCase]) -> None:
    network = make_state(RECIPE, CPU).network.eval()
    batch = OutcomeBatches(cases, RECIPE).batch(0)
    plain, half, full = (
        batch_loss(network, replace(RECIPE, dice_weight=share), batch, 0.5, CPU).item() for share in (0.0, 0.5, 1.0)
    )
    assert half - plain == pytest.approx(full - half, rel=1e-4)
    assert 0.1 < full - plain < 0.5


def test_the_rate_starts_again_when_the_outcome_joins() -> None:
    recipe = replace(RECIPE, schedule="cosine", pretrain_steps=40, steps=140, warm_up_steps=10, learning_rate=1e-3)
    rates = [learning_rate(recipe, step) for step in (0, 10, 40, 50, 140)]
    assert rates == pytest.approx([1e-4, 1e-3, 1e-4, 1e-3, 1e-5])
    assert learning_rate(replace(recipe, schedule="constant"), 120) == 1e-3
    assert learning_rate(OutcomeRecipe(), 0) == 1e-4


class _LeftIsRisk(nn.Module):
    """Says how much hotter the half with the higher i is, and outlines what is hotter than 5 SUV."""

    def forward(self, x: Tensor) -> ChmflOutput:
        side = x[:, 0, ..., 4:].mean() - x[:, 0, ..., :4].mean()
        hot = (x[:, 0] > 0.5).float() * 20 - 10
        return ChmflOutput(torch.stack([-side, side])[None], torch.stack([-hot, hot], 1))


def test_views_are_averaged_and_their_outlines_turned_back(cases: list[OutcomeCase]) -> None:
    case = cases[1]
    one = predict_case([_LeftIsRisk()], case, replace(RECIPE, views=1), CPU)
    two = predict_case([_LeftIsRisk()], case, replace(RECIPE, views=2), CPU)
    assert abs(one.logit) > 1e-3
    assert two.logit == pytest.approx(0, abs=1e-5), "what the mirror turns round cancels out"
    assert one.tumour is not None
    assert two.tumour == pytest.approx(one.tumour, abs=1e-6)
    assert one.probability == pytest.approx(1 / (1 + np.exp(-one.logit)))
    assert tumour_dice(case, two.tumour, RECIPE).inside > 0.85


def test_what_lies_outside_of_the_field_of_view_counts_as_missed(rows: list[ManifestRow]) -> None:
    narrow = replace(RECIPE, field_mm=(16.0, 16.0, 16.0))
    case = read_case(rows[1], RECIPE.roles, narrow.field_of_view, 0)
    said = predict_case([_LeftIsRisk()], replace(case, images=np.ones_like(case.images) * 9), narrow, CPU)
    overlap = tumour_dice(case, said.tumour, narrow)
    assert overlap.inside > 0.9
    share = case.inside_share
    assert overlap.whole == pytest.approx(2 * share / (1 + share), abs=0.05)


def test_every_patient_is_held_out_once_and_the_public_model_never_saw_the_test(rows: list[ManifestRow]) -> None:
    parts = plan_parts(rows, plan_folds(rows, 3, 0))
    assert [part.name for part in parts] == ["fold-0", "fold-1", "fold-2", "public", "final"]
    held_out = [case for part in parts[:3] for case in part.test]
    assert sorted(held_out) == [row.case for row in rows]
    assert all(set(part.train) | set(part.test) == {row.case for row in rows} for part in parts[:3])
    assert all(not set(part.train) & set(part.test) for part in parts)
    assert parts[3].test == ("STS_006", "STS_007")
    assert parts[3].train == tuple(row.case for row in rows[:6])
    assert parts[4] == Part("final", tuple(row.case for row in rows), ())
    assert [part.name for part in plan_parts(rows[:6], None)] == ["final"]
    with pytest.raises(UserError, match="no part fold-7"):
        choose_parts(parts, ["fold-7"])


def test_predictions_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    said = [
        Prediction("a", "p", "0", 1, 0.123456789, -1.5, 0.75, 0.5, 1.0),
        Prediction("b", "q", "public", 0, 1e-12, 7.0),
    ]
    write_predictions(said, tmp_path / "predictions.csv")
    assert list(read_predictions(tmp_path / "predictions.csv")) == said
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]
    (tmp_path / "predictions.csv").write_text("case,patient\na,b\n")
    with pytest.raises(UserError, match="cannot be read"):
        read_predictions(tmp_path / "predictions.csv")


def said(scores: list[float], outcomes: list[int], fold: str = "0") -> tuple[Prediction, ...]:
    return tuple(
        Prediction(str(n), str(n), fold, o, 1 / (1 + np.exp(-s)), s, 0.5 + 0.1 * o, 0.5, 1.0)
        for n, (s, o) in enumerate(zip(scores, outcomes, strict=True))
    )


def test_the_table_compares_every_row_with_the_plain_suvmax(tmp_path: Path) -> None:
    outcomes = [0, 0, 0, 0, 1, 1, 1, 1]
    network = said([-3, -2, -1, 0.5, 0.4, 1, 2, 3], outcomes)
    simple = said([-3, 2, -1, 0.5, 0.4, 1, -2, 3], outcomes)
    rows = {
        "chmfl": {"cross-validation": network},
        "suvmax": {"cross-validation": simple, "public-test": simple},
    }
    record = write_metrics(rows, tmp_path / "metrics.csv", "suvmax")
    assert record["chmfl"]["cross-validation"]["auc"]["value"] == pytest.approx(15 / 16)
    assert record["chmfl"]["cross-validation"]["accuracy"]["value"] == pytest.approx(7 / 8)
    gained = record["chmfl"]["cross-validation"]["auc_minus_suvmax"]
    assert gained["value"] == pytest.approx(15 / 16 - 10 / 16)
    assert gained["low"] < gained["value"] < gained["high"]
    assert set(record["suvmax"]) == {"cross-validation", "public-test"}
    assert "auc_minus_suvmax" not in record["suvmax"]["public-test"]
    with (tmp_path / "metrics.csv").open() as file:
        table = {(row["row"], row["scope"], row["figure"]): row for row in csv.DictReader(file)}
    dice = table["chmfl", "cross-validation", "tumour_dice"]
    assert (float(dice["value"]), dice["patients"]) == (0.55, "8")
    assert float(dice["low"]) < 0.55 < float(dice["high"])


def test_the_mean_over_folds_is_not_the_pooled_area() -> None:
    """A fold whose logits are all higher ruins the pooled ranking and leaves each fold's own perfect."""
    shifted = tuple(replace(p, case=f"x{p.case}", patient=f"x{p.patient}") for p in said([8, 9], [0, 1], "1"))
    figures = row_figures((*said([0.0, 1.0], [0, 1]), *shifted))
    assert figures["auc_mean_of_folds"].value == 1.0
    assert figures["auc"].value == pytest.approx(0.75)


class _StopAfter(SilentProgress):
    """Stops the work at the n-th report of progress, as Ctrl-C would."""

    def __init__(self, reports: int) -> None:
        super().__init__()
        self.left = reports

    def update(self, phase: str, fraction: float, text: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled


STUDY = replace(
    RECIPE, bootstrap=200, steps=20, pretrain_steps=5, members=2, baselines=("suvmax",), card=CARD,
    rows={"strong": {}, "pet": {"network": "3d-cnn-pet", "members": 1, "pretrain_steps": 0}},
)  # fmt: skip


@pytest.fixture(scope="module")
def study(rows: list[ManifestRow], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study."""
    folder = tmp_path_factory.mktemp("study") / "out"
    run_study(SarcomaKind(), STUDY, rows, folder, "cpu", SilentProgress())
    return folder


def all_weights(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.safetensors")}


def test_a_study_leaves_every_folds_predictions_and_no_checkpoint(study: Path, rows: list[ManifestRow]) -> None:
    said = read_predictions(study / "predictions.csv")
    assert sorted(p.case for p in said) == [row.case for row in rows]
    assert {p.fold for p in said} == {"0", "1"}
    assert all(p.outcome == int(p.case[-1]) % 2 and 0 < p.probability < 1 and p.tumour_dice is not None for p in said)
    public = read_predictions(study / "public-predictions.csv")
    assert [(p.case, p.fold) for p in public] == [("STS_006", "public"), ("STS_007", "public")]
    with (study / "all-predictions.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    chosen = [(one["case"], one["score"]) for one in table if one["row"] == "strong" and one["scope"] == "public-test"]
    assert chosen == [(p.case, f"{p.score:.9g}") for p in public]
    assert {one["row"] for one in table} == {"strong", "pet", "suvmax"}
    assert not list(study.rglob("checkpoint*"))
    assert not list(study.rglob("*.part"))
    assert not (study / "rows" / "pet" / "final").exists(), "only the shipped row needs a final model"
    report = json.loads((study / "training-report.json").read_text())
    assert report["patients"] == 8
    simple = report["figures"]["suvmax"]["cross-validation"]["auc"]
    assert simple["value"] == 1.0, "SUVmax separates these patients by design"
    assert report["figures"]["pet"]["cross-validation"]["auc"]["patients"] == 8
    assert (study / "loss.png").stat().st_size > 1000


@pytest.mark.parametrize("reports", [4, 9])
def test_a_study_stopped_anywhere_ends_as_if_it_had_not_been(
    study: Path, rows: list[ManifestRow], tmp_path: Path, reports: int
) -> None:
    with pytest.raises(Cancelled):
        run_study(SarcomaKind(), STUDY, rows, tmp_path / "out", "cpu", _StopAfter(reports))
    assert not (tmp_path / "out" / "card.json").exists()
    run_study(SarcomaKind(), STUDY, rows, tmp_path / "out", "cpu", SilentProgress())
    assert all_weights(tmp_path / "out") == all_weights(study)
    for name in ("predictions.csv", "metrics.csv", "card.json"):
        assert (tmp_path / "out" / name).read_text() == (study / name).read_text()


def test_the_model_folder_holds_the_final_networks_and_those_of_the_folds(study: Path) -> None:
    card = find_card(str(study))
    assert card.weights.sha256 == hashlib.sha256((study / "weights.safetensors").read_bytes()).hexdigest()
    assert (card.id, card.task, card.roles) == ("chmfl-sarcoma", "outcome", ("PET", "CT"))
    assert card.spacing_mm == (4.0, 4.0, 4.0)
    networks = load_outcome_networks(card)
    assert (len(networks.final), [len(fold) for fold in networks.folds], networks.views) == (2, [2, 2], 2)
    for network, file in ((networks.final[1], "final/member-1"), (networks.folds[1][0], "fold-1/member-0")):
        trained = load_file(study / "rows" / "strong" / f"{file}.safetensors")
        for name, value in network.state_dict().items():
            assert torch.allclose(value.float(), trained[name].float(), rtol=1e-3, atol=1e-4), name


def test_running_variances_keep_their_precision_in_the_model_file(study: Path) -> None:
    trained = load_file(study / "rows" / "strong" / "final" / "member-0.safetensors")
    stored = load_weights(find_card(str(study)))
    name = "branches.0.levels.0.1.running_var"
    assert torch.equal(stored[name], trained[name])


def test_a_card_that_promises_networks_the_file_lacks_is_refused(study: Path, tmp_path: Path) -> None:
    record = json.loads((study / "card.json").read_text())
    record["ensemble"]["folds"] = 3
    (tmp_path / "card.json").write_text(json.dumps(record))
    (tmp_path / "weights.safetensors").write_bytes((study / "weights.safetensors").read_bytes())
    with pytest.raises(UserError, match="do not fit the networks"):
        load_outcome_networks(find_card(str(tmp_path)))


def test_a_study_is_not_continued_with_other_settings_or_cases(study: Path, rows: list[ManifestRow]) -> None:
    before = all_weights(study)
    faster, reseeded = replace(STUDY, learning_rate=0.02), replace(STUDY, seed=5)
    for recipe, cases in ((faster, rows), (STUDY, rows[:-1]), (reseeded, rows)):
        with pytest.raises(UserError, match="other cases or settings"):
            run_study(SarcomaKind(), recipe, cases, study, "cpu", SilentProgress())
    assert all_weights(study) == before
    with pytest.raises(UserError, match="has no row vnet"):
        run_study(SarcomaKind(), STUDY, rows, study, "cpu", SilentProgress(), ["vnet"])


def test_a_study_goes_on_with_other_words_in_its_card(study: Path, rows: list[ManifestRow]) -> None:
    before = all_weights(study)
    reworded = replace(STUDY, card={**STUDY.card, "title": "Other words"})
    run_study(SarcomaKind(), reworded, rows, study, "cpu", SilentProgress())
    assert all_weights(study) == before
    assert json.loads((study / "card.json").read_text())["title"] == "Other words"


def test_a_single_part_of_a_single_row_can_be_trained_on_its_own(rows: list[ManifestRow], tmp_path: Path) -> None:
    run_study(SarcomaKind(), STUDY, rows, tmp_path, "cpu", SilentProgress(), ["pet"], ["fold-1"])
    trained = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.safetensors"))
    assert trained == ["rows/pet/fold-1/member-0.safetensors"]
    assert not (tmp_path / "predictions.csv").exists()
    assert not (tmp_path / "card.json").exists()
