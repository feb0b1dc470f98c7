"""The table of the brain model's variants: folds, scopes, choice, tables, export, resuming, and the shipped model."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brain_lesion_cases import write_patients
from scipy.special import expit

from LesionLensLib.catalogue import find_card, load_typicality
from LesionLensLib.errors import Cancelled, UserError
from LesionLensLib.images import read_volume
from LesionLensLib.inference.case import Case
from LesionLensLib.inference.lesion_target import target_at, targets_in
from LesionLensLib.inference.outcome_input import prepare_brain_lesion
from LesionLensLib.inference.outcome_network import load_outcome_networks
from LesionLensLib.inference.outcome_pass import ask_networks
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.outcome.calibration import Calibration
from LesionLensLib.outcome.risk_interval import risk_of
from LesionLensLib.progress import SilentProgress
from LesionLensLib.training.local_failure.augmentation import LesionAugmentation
from LesionLensLib.training.local_failure.baselines import LesionVolume, SimulatedTruth
from LesionLensLib.training.local_failure.kind import LocalFailureKind
from LesionLensLib.training.local_failure.recipe import LocalFailureRecipe
from LesionLensLib.training.local_failure.scopes import best_row, plan, scopes_of
from LesionLensLib.training.local_failure.shipped import shipped_figures
from LesionLensLib.training.outcome.parts import Part
from LesionLensLib.training.outcome.predictions import Prediction, read_predictions
from LesionLensLib.training.outcome.study import run_study

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = REPOSITORY / "Resources" / "Recipes" / "attention-resnet-brainmet.yaml"
CARD = LocalFailureRecipe.read(SHIPPED).card
SMALL: dict[str, Any] = {"depth": 10, "base_width": 4, "stages": 1, "groups": 2}
STUDY = LocalFailureRecipe(
    options=SMALL, spacing_mm=2.5, field_mm=(40.0, 40.0, 40.0), folds=3, epochs=4, batch=4, optimizer="adam",
    learning_rate=0.01, averaging=0.5, bootstrap=100, baselines=("volume", "truth"), card=CARD,
    augmentation=LesionAugmentation(flip_chance=0.5, shift_mm=2.5),
    rows={
        "Res + SA + BiT": {"options": {"attention": "self", "recipe": "bit"}},
        "Res": {"options": {"attention": "none", "recipe": "standard"}, "epochs": 1},
    },
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[ManifestRow]:
    return write_patients(tmp_path_factory.mktemp("brains"))


def run(rows: list[ManifestRow], folder: Path, *names: list[str], progress: SilentProgress | None = None) -> None:
    run_study(LocalFailureKind(), STUDY, rows, folder, "cpu", progress or SilentProgress(), *names)


@pytest.fixture(scope="module")
def study(rows: list[ManifestRow], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study."""
    folder = tmp_path_factory.mktemp("study") / "out"
    run(rows, folder)
    return folder


class _StopAfter(SilentProgress):
    """Stops the work at the n-th report of progress, as Ctrl-C would."""

    def __init__(self, reports: int) -> None:
        super().__init__()
        self.left = reports

    def update(self, phase: str, fraction: float, text: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled


def test_no_fold_and_no_final_network_learns_from_the_test(rows: list[ManifestRow]) -> None:
    dealt, parts = plan(rows, 3, 0)
    assert dealt is not None
    test = {row.case for row in rows if row.split == "test"}
    assert [part.name for part in parts] == ["fold-0", "fold-1", "fold-2", "final"]
    for part in parts:
        assert not test & {*part.train, *part.test}
    own = sorted(row.case for row in rows if row.case not in test)
    assert sorted(case for part in parts[:3] for case in part.test) == own
    assert all(set(part.beside) == {*part.train, *test} for part in parts[:3])
    assert (sorted(parts[3].train), parts[3].test) == (own, ())
    of = {row.case: row.patient for row in rows}
    for part in parts[:3]:
        assert not {of[case] for case in part.train} & {of[case] for case in part.test}


def one(case: str, outcome: int, logit: float, fold: str = "0") -> Prediction:
    return Prediction(case, case, fold, outcome, float(expit(logit)), logit)


def test_training_and_test_lesions_are_judged_by_the_mean_logit() -> None:
    parts = [Part("fold-0", ("b",), ("a",), ("b", "t")), Part("fold-1", ("a",), ("b",), ("a", "t"))]
    parts.append(Part("final", ("a", "b"), ()))
    said = {"fold-0": (one("a", 0, 1.0),), "fold-1": (one("b", 1, 2.0, "1"),), "final": ()}
    beside = {"fold-0": (one("b", 1, 3.0), one("t", 1, -1.0)), "fold-1": (one("a", 0, -2.0), one("t", 1, 2.0))}
    scopes = scopes_of(parts, lambda part: said[part.name], lambda part: beside.get(part.name, ()))
    assert [(p.case, p.score) for p in scopes["validation"]] == [("a", 1.0), ("b", 2.0)]
    assert [(p.case, p.score) for p in scopes["training"]] == [("b", 3.0), ("a", -2.0)]
    assert [(p.case, p.score, p.outcome) for p in scopes["test"]] == [("t", 0.5, 1)]
    assert scopes["test"][0].probability == pytest.approx(expit(0.5))
    assert scopes_of(parts, lambda part: said[part.name] if part.fold != "1" else (), lambda part: ()) == {}


def test_the_best_row_is_chosen_on_held_out_lesions_and_only_when_all_are_there() -> None:
    good = tuple(one(f"c{n}", n % 2, 2.0 * (n % 2)) for n in range(4))
    bad = tuple(one(f"c{n}", n % 2, -2.0 * (n % 2)) for n in range(4))
    said = {"a": {"validation": bad, "test": good}, "b": {"validation": good, "test": bad}}
    assert best_row(said, ("a", "b")) == "b"
    assert best_row({**said, "c": {"validation": good}}, ("a", "c", "b")) == "c"
    assert best_row(said, ("a", "b", "c")) is None
    recipe = replace(STUDY, shipped="Res")
    assert LocalFailureKind().choose(recipe, {}) == "Res"


def test_a_study_leaves_predictions_of_every_scope_and_no_checkpoint(study: Path, rows: list[ManifestRow]) -> None:
    report = json.loads((study / "training-report.json").read_text())
    chosen = report["chosen"]
    areas = {name: report["figures"][name]["validation"]["auc"]["value"] for name in ("Res", "Res + SA + BiT")}
    assert areas[chosen] == max(areas.values())
    held_out = read_predictions(study / "predictions.csv")
    assert sorted(p.case for p in held_out) == sorted(row.case for row in rows if row.split == "train")
    assert {p.fold for p in held_out} == {"0", "1", "2"}
    tested = read_predictions(study / "test-predictions.csv")
    assert sorted(p.case for p in tested) == sorted(row.case for row in rows if row.split == "test")
    assert not list(study.rglob("checkpoint*"))
    for name in ("Res", "Res + SA + BiT"):
        assert (study / "rows" / name / "final").exists() == (name == chosen), "only the model needs a final network"
    truth = report["figures"]["truth"]["test"]["auc"]
    assert (truth["value"], truth["cases"]) == (1.0, 4)
    assert report["figures"]["volume"]["training"]["auc"]["patients"] == 10
    assert report["figures"]["volume"]["training"]["auc"]["cases"] == 11
    assert "auc_minus_volume" in report["figures"]["Res"]["validation"]
    assert (study / "loss.png").stat().st_size > 1000
    assert report["calibration"]["calibrated"]["brier_score"]["cases"] == len(held_out)
    assert (study / "reliability.png").stat().st_size > 1000


def test_the_tables_have_the_papers_form_with_intervals_and_say_what_is_simulated(study: Path) -> None:
    text = (study / "tables.md").read_text()
    assert "demonstration weights, simulated outcome" in text.splitlines()[0]
    assert "11 lesions of 10 patients held out (validation)" in text
    assert "4 lesions of 4 patients test" in text
    report = json.loads((study / "training-report.json").read_text())
    for name in ("Res", "Res + SA + BiT", "volume", "truth"):
        assert sum(line.startswith((f"| {name} |", f"| **{name}** (shipped) |")) for line in text.splitlines()) >= 3
    found = report["figures"]["Res"]["validation"]
    line = next(line for line in text.splitlines() if line.startswith(("| Res |", "| **Res**")) and "held out" in line)
    cells = [cell.strip() for cell in line.split("|")]
    assert cells[3].startswith(f"{found['accuracy']['value'] * 100:.1f} [")
    assert cells[6] == (f"{found['auc']['value']:.2f} [{found['auc']['low']:.2f}, {found['auc']['high']:.2f}]")
    settings = next(line for line in text.splitlines() if line.startswith("| Res | none"))
    assert settings.startswith("| Res | none | adam | 0.01 | 4 | 1 | bit-scaled |")
    with (study / "metrics.csv").open() as file:
        scopes = {(row["row"], row["scope"]) for row in csv.DictReader(file)}
    assert len(scopes) == 12


def weights(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.safetensors")}


@pytest.mark.parametrize("reports", [4, 7])
def test_a_study_stopped_anywhere_ends_as_if_it_had_not_been(
    study: Path, rows: list[ManifestRow], tmp_path: Path, reports: int
) -> None:
    with pytest.raises(Cancelled):
        run(rows, tmp_path / "out", progress=_StopAfter(reports))
    assert not (tmp_path / "out" / "card.json").exists()
    run(rows, tmp_path / "out")
    assert weights(tmp_path / "out") == weights(study)
    for name in ("predictions.csv", "metrics.csv", "tables.md", "card.json", "typicality.json"):
        assert (tmp_path / "out" / name).read_text() == (study / name).read_text()


def test_rows_can_be_shared_between_processes_and_the_last_one_makes_the_model(
    study: Path, rows: list[ManifestRow], tmp_path: Path
) -> None:
    run(rows, tmp_path, ["Res"])
    assert not (tmp_path / "card.json").exists()
    assert "| Res |" in (tmp_path / "tables.md").read_text()
    run(rows, tmp_path, ["Res + SA + BiT", "volume", "truth"])
    run(rows, tmp_path)
    assert weights(tmp_path) == weights(study)


def test_the_model_is_as_its_card_says_and_small(study: Path) -> None:
    card = find_card(str(study))
    assert (card.id, card.task, card.evidence) == ("attention-resnet-brainmet", "outcome", "simulated")
    assert card.outcome is not None
    assert card.outcome.calibration is not None
    assert card.outcome.ensemble.folds == 3
    networks = load_outcome_networks(card)
    assert [len(fold) for fold in networks.folds] == [1, 1, 1]
    assert isinstance(networks.final[0], ResNet3d)
    reference = load_typicality(card)
    assert reference is not None
    assert reference.cases == 11
    assert {check.kind for check in reference.checks} == {"intensity", "size", "features"}


def test_prediction_says_of_a_test_lesion_what_the_training_wrote_down(study: Path, rows: list[ManifestRow]) -> None:
    card = find_card(str(study))
    networks = load_outcome_networks(card)
    said = {p.case: p for p in read_predictions(study / "test-predictions.csv")}
    for row in [row for row in rows if row.split == "test"]:
        volumes = {role: read_volume(row.files[role]) for role in ("T1c", "FLAIR")}
        case = Case(volumes, read_volume(row.files["brain"]), {}, ())
        target = targets_in(read_volume(row.files["lesion"]), volumes["T1c"], 0.0)[0]
        given = prepare_brain_lesion(case, card)(target)
        x = torch.from_numpy(given.values)[None]
        logit = np.mean([ask_networks(fold, x, networks.views).logit for fold in networks.folds])
        assert logit == pytest.approx(said[row.case].score, abs=0.05), "half-precision weights differ a little"
        point = prepare_brain_lesion(case, card)(target_at(target.center_ras.tolist(), volumes["T1c"], "T1c"))
        assert np.array_equal(point.values[:2], given.values[:2])
        assert not point.values[2].any()
        stripped = prepare_brain_lesion(replace(case, brain_mask=None), card)(target)
        assert stripped.values[0] == pytest.approx(given.values[0], abs=0.05), "its own outline is the brain"


def test_the_report_judges_the_shipped_model_calibrated_and_against_the_truth(study: Path) -> None:
    model = json.loads((study / "training-report.json").read_text())["model"]["test"]
    assert model["figures"]["auc"]["cases"] == 4
    assert model["against_truth"]["lesions"] == 4
    assert 0 < model["mean_interval_width"] < 1
    assert model["reliability"]["cases"] == 4


def test_the_interval_is_counted_as_holding_where_it_holds() -> None:
    folds = [one("a", 1, logit) for logit in (0.9, 1.0, 1.1)] + [one("b", 0, logit) for logit in (-2.0, -2.0, -2.1)]
    truth = {"a": float(expit(1.0)), "b": 0.9}
    found = shipped_figures(folds, Calibration(), truth, 100)
    assert found["against_truth"]["interval_holds_true_risk"] == 0.5
    risks = [risk_of([0.9, 1.0, 1.1], Calibration()), risk_of([-2.0, -2.0, -2.1], Calibration())]
    assert found["mean_interval_width"] == pytest.approx(np.mean([r.high - r.low for r in risks]), abs=1e-4)
    assert found["against_truth"]["mean_absolute_error"] == pytest.approx((0.9 - risks[1].probability) / 2, abs=1e-3)
    assert shipped_figures(folds[:2], Calibration(), truth, 100) == {}
    assert "against_truth" not in shipped_figures(folds, Calibration(), {}, 100)


def test_volume_and_truth_are_read_from_the_files(rows: list[ManifestRow]) -> None:
    volumes = LesionVolume().features(rows[:2])
    expected = [np.log((m.array != 0).sum() * m.grid.voxel_ml) for m in (read_volume(r.files["lesion"]) for r in rows)]
    assert volumes[:, 0] == pytest.approx(expected[:2])
    truth = SimulatedTruth().features(rows[:2])
    assert truth[1, 0] > truth[0, 0] + 2
    said = SimulatedTruth().fit_predict(truth, np.array([0, 1]), truth, 0)
    assert said.probabilities == pytest.approx(expit(truth[:, 0]))
    lacking = replace(rows[0], files={"lesion": rows[0].files["lesion"]})
    with pytest.raises(UserError, match="no known risk"):
        SimulatedTruth().features([lacking])


def test_the_shipped_recipe_names_the_six_variants_and_fits_the_size_allowed() -> None:
    recipe = LocalFailureRecipe.read(SHIPPED)
    variants = {(recipe.row(n).options["attention"], recipe.row(n).options["recipe"]) for n in recipe.row_names()}
    assert variants == {(a, r) for a in ("none", "cbam", "self") for r in ("standard", "bit")}
    assert {"volume", "truth"} <= set(recipe.baselines)
    assert recipe.card["evidence"] == "simulated"
    assert "demonstration weights, simulated outcome" in recipe.card["title"] + recipe.card["description"]
    shape = recipe.field_of_view.shape
    for name in recipe.row_names():
        network = ResNet3d(**recipe.row(name).network_options).eval()
        with torch.inference_mode():
            assert network(torch.zeros(1, 3, *shape)).shape == (1, 2)
        size = 2 * sum(parameter.numel() for parameter in network.parameters()) * (recipe.folds + 1)
        assert size < 3.9e6, f"{name}: {size}"
