"""The page of evidence: its numbers on tables of a few made-up lines, and the committed page beside what makes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from LesionLensLib.catalogue import models_root
from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.metrics import dice
from LesionLensLib.training.evidence import brain_chapter, lesion_chapter, load_chapter, sarcoma_chapter
from LesionLensLib.training.evidence.cost_chapter import HALF, SLICES, cost_chapter, ratio
from LesionLensLib.training.evidence.feature_table import (
    FINAL,
    FeatureRow,
    FeatureTable,
    read_features,
    write_features,
)
from LesionLensLib.training.evidence.markdown import figure, table
from LesionLensLib.training.evidence.overlap_table import NETWORK, read_overlap
from LesionLensLib.training.evidence.page import Place, make_page
from LesionLensLib.training.evidence.pictures import draw_rocs, embed, standardized
from LesionLensLib.training.evidence.printed import printed_figure
from LesionLensLib.training.evidence.published import BRAIN_FIGURES, BRAIN_S3, BRAIN_SETS, SARCOMA, Cohort
from LesionLensLib.training.evidence.saved import read_figures, read_said, remake_figures
from LesionLensLib.training.outcome.predictions import Prediction, write_all_predictions
from LesionLensLib.training.outcome.tables import row_figures
from Testing.Benchmarks import attention_cost

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "evidence.md"


def said(scores: list[float], outcomes: list[int]) -> tuple[Prediction, ...]:
    pairs = zip(scores, outcomes, strict=True)
    return tuple(Prediction(f"c{n}", f"c{n}", "0", o, 1 / (1 + np.exp(-s)), s) for n, (s, o) in enumerate(pairs))


def model_folder(folder: Path) -> Path:
    """Six patients of whom the network ranks one pair of nine wrongly, and SUVmax none."""
    outcomes = [1, 1, 1, 0, 0, 0]
    network, simple = said([2.0, 1.0, -0.5, 0.1, -1.0, -2.0], outcomes), said([9.0, 8, 7, 6, 5, 4], outcomes)
    model = folder / sarcoma_chapter.MODEL
    model.mkdir()
    rows = {"chmfl": {"cross-validation": network}, "suvmax": {"cross-validation": simple}}
    write_all_predictions(rows, model / "all-predictions.csv")
    (model / "training-report.json").write_text(json.dumps({"recipe": {"bootstrap": 100}}))
    return model


def features(rows: int, width: int, networks: tuple[str, ...] = (FINAL,)) -> FeatureTable:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(rows, width)).astype(np.float32)
    lines = tuple(FeatureRow(f"c{n}", f"p{n}", n % 2, networks[n % len(networks)], n % 3 == 0) for n in range(rows))
    return FeatureTable("a-model", "0" * 64, lines, values)


def test_the_committed_page_is_what_the_saved_predictions_make() -> None:
    made = make_page(Place.beside(PAGE))
    assert PAGE.read_text(encoding="utf-8") == made, "run: make evidence"


@pytest.mark.parametrize("row", ["chmfl", "cfl", "3d-cnn-pet"])
def test_the_figures_of_the_page_are_those_of_the_saved_predictions(row: str) -> None:
    folder = models_root() / sarcoma_chapter.MODEL
    rows, scope = read_said(folder), sarcoma_chapter.FOLDS
    made = row_figures(rows[row][scope], rows["suvmax"][scope], "suvmax", repeats=100)
    kept = read_figures(folder)[row][scope]
    for name in ("accuracy", "sensitivity", "auc", "auc_minus_suvmax"):
        shown = made[name].to_dict()
        assert {key: kept[name][key] for key in ("value", "low", "high", "patients")} == {
            key: pytest.approx(shown[key], abs=1e-4) for key in ("value", "low", "high", "patients")
        }


def test_the_areas_of_the_brain_rows_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn (train group) is not installed")
    folder = models_root() / brain_chapter.MODEL
    figures = read_figures(folder)
    for row, scopes in read_said(folder).items():
        for scope, ones in scopes.items():
            area = metrics.roc_auc_score([one.outcome for one in ones], [one.score for one in ones])
            assert figures[row][scope]["auc"]["value"] == pytest.approx(area, abs=1e-4), (row, scope)


def test_figures_are_remade_from_predictions(tmp_path: Path) -> None:
    model = model_folder(tmp_path)
    remake_figures(model)
    found = read_figures(model)["chmfl"]["cross-validation"]
    assert found["auc"]["value"] == pytest.approx(8 / 9, abs=1e-4)
    assert found["sensitivity"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["sensitivity"]["cases"] == 3
    assert found["specificity"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["auc_minus_suvmax"]["value"] == pytest.approx(-1 / 9, abs=1e-4)


def test_a_network_that_does_not_beat_suvmax_is_said_not_to() -> None:
    lines = sarcoma_chapter._findings(read_figures(models_root() / sarcoma_chapter.MODEL))
    assert "does not beat SUVmax" in lines[0]
    figures = {
        row: {scope: {name: dict(record) for name, record in found.items()} for scope, found in scopes.items()}
        for row, scopes in read_figures(models_root() / sarcoma_chapter.MODEL).items()
    }
    figures["chmfl"][sarcoma_chapter.FOLDS]["auc_minus_suvmax"]["low"] = 0.01
    better = sarcoma_chapter._findings(figures)[0]
    assert "beats SUVmax" in better
    assert "Rows that beat it: chmfl." in better


def test_every_number_for_another_outcome_stands_under_its_own_label() -> None:
    folder = models_root()
    rows = [line for line in sarcoma_chapter.sarcoma_chapter(folder, "a.png", "b.png") if line.startswith("| ")]
    ours = [line for line in rows if "| ours, **" in line]
    assert len(ours) >= 13
    assert all("**lung** metastasis" in line for line in ours)
    printed = [line for line in rows if "| paper, **" in line]
    assert len(printed) == 13
    assert all("**any distant** metastasis" in line for line in printed)
    brain = [line for line in brain_chapter.brain_chapter(folder, "a.png", "b.png") if "| ours" in line]
    assert len(brain) >= 24
    assert all("**simulated**" in line for line in brain)


def test_printed_numbers_get_the_interval_of_their_counts() -> None:
    # 21 of 24, Wilson: (21 + 1.9207) / 27.8415 +- 1.96 * sqrt(24 p q + 0.9604) / 27.8415
    assert printed_figure("sensitivity", 0.875, SARCOMA) == "0.875 (0.69 to 0.96)"
    assert printed_figure("specificity", 0.667, BRAIN_SETS["validation"]) == "0.667 (0.35 to 0.88)"
    assert printed_figure("accuracy", 0.80, Cohort(6, 9, None)) == "0.80 (0.55 to 0.93)"
    assert printed_figure("f1", 0.857, SARCOMA) == "0.857"


def test_an_interval_of_a_printed_area_is_wider_for_fewer_cases() -> None:
    def span(cohort: Cohort) -> tuple[float, float]:
        words = printed_figure("auc", 0.87, cohort).strip(")").split("(")[1].split(" to ")
        return float(words[0]), float(words[1])

    (low, high), (lower, higher) = span(Cohort(240, 240, None)), span(Cohort(6, 9, None))
    # Hanley and McNeil at 0.87 with 240 of each: a standard error of 0.0162.
    assert (low, high) == (pytest.approx(0.835, abs=0.01), pytest.approx(0.90, abs=0.01))
    assert lower < low < high < higher


def test_the_printed_shares_are_whole_numbers_of_the_lesions() -> None:
    for name, sets in BRAIN_S3.items():
        for scope, numbers in sets.items():
            cohort = BRAIN_SETS[scope]
            for figure_name, out_of in (("sensitivity", cohort.events), ("specificity", cohort.others)):
                value = numbers[BRAIN_FIGURES.index(figure_name)]
                assert abs(value - round(value * out_of) / out_of) < 0.006, (name, scope, figure_name)


def test_a_table_refuses_a_row_of_another_length() -> None:
    assert table(("a", "b"), [("1", "2")]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |", ""]
    with pytest.raises(ValueError, match="another number of cells"):
        table(("a", "b"), [("1",)])
    assert figure({"value": 0.5, "low": None, "high": None}) == "0.50"
    assert figure({"value": None, "low": None, "high": None}) == "-"


def test_the_saved_overlap_gives_the_dice_of_the_card() -> None:
    counts = read_overlap(models_root() / lesion_chapter.MODEL)["test", NETWORK]
    assert list(counts) == ["lj_p07"]
    assert dice(counts["lj_p07"]) == pytest.approx(0.2825, abs=5e-5)
    true_ml = (counts["lj_p07"][:, 0] + counts["lj_p07"][:, 2]).sum() / 1000
    assert true_ml == pytest.approx(1.3, abs=0.01)


def test_an_overlap_that_is_missing_names_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        read_overlap(tmp_path)
    assert "--overlap" in error.value.remedy


def test_a_largest_difference_is_found_whatever_its_sign() -> None:
    from LesionLensLib.training.lesion_load.evaluation import Judged

    truth, told = np.array([[3.0, 2, 1], [9.0, 1, 8]]), np.array([[3.0, 2, 1], [9.0, 4, 5]])
    judged = Judged("held-out", ("a", "b"), ("a", "b"), truth, told, np.zeros((2, 2)))
    assert load_chapter._largest_difference(judged) == (-7.0, -1.0)


def size(products: float, slices: float, live: float) -> dict[str, object]:
    def form(flops: float, held: float) -> dict[str, float]:
        return {"product_flops": flops, "projection_flops": 0.0, "live_bytes": held}

    counted = {HALF: form(products, live), "non-local, C": form(2 * products, live), SLICES: form(slices, 1000.0)}
    return {"size": [8, 4, 4, 4], "counted": counted, "process_mb": {}}


def test_the_claim_is_told_of_the_sizes_for_which_it_holds(tmp_path: Path) -> None:
    saved = tmp_path / "cost.json"
    holds, fails = size(500.0, 5.0, 28_000.0), {**size(4.0, 5.0, 900.0), "size": [8, 2, 2, 2]}
    saved.write_text(json.dumps({"sizes": [holds, fails]}))
    text = "\n".join(cost_chapter(saved))
    assert "100 times fewer FLOPs hold for 8, 4 x 4 x 4; 28 times less memory for 8, 4 x 4 x 4." in text
    assert "*more* FLOPs (8, 2 x 2 x 2)" in text
    assert "no less memory (8, 2 x 2 x 2)" in text
    assert ratio(holds, "flops", "non-local, C") == pytest.approx(200.0)


@pytest.mark.parametrize("number", [0, 5, 7])
def test_the_saved_cost_is_what_torch_counts_and_what_the_formulas_say(number: int) -> None:
    saved = json.loads(Place.beside(PAGE).cost.read_text(encoding="utf-8"))["sizes"][number]
    assert saved["counted"] == attention_cost.count(tuple(saved["size"]))
    channels, depth, height, width = saved["size"]
    voxels = depth * height * width
    slices, half, full = (saved["counted"][form] for form in (SLICES, HALF, attention_cost.NON_LOCAL_FULL))
    assert slices["product_flops"] == 4 * channels * voxels * (depth + height + width)
    assert slices["projection_flops"] == 18 * channels**2 * voxels
    assert full["product_flops"] == 4 * channels * voxels**2 == 2 * half["product_flops"]
    assert full["projection_flops"] == 8 * channels**2 * voxels
    # Two maps live at once, logits and softmax, beside the input and what was projected from it.
    assert 2 * 4 * voxels**2 < half["live_bytes"] <= 2 * 4 * voxels**2 + 5 * 4 * channels * voxels


def test_features_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = features(6, 4, (FINAL, "fold-1"))
    write_features(written, tmp_path)
    read = read_features(tmp_path)
    assert read.rows == written.rows
    assert np.array_equal(read.features, written.features)
    learned = read.part(True)
    assert [row.case for row in learned.rows] == ["c0", "c3"]
    assert np.array_equal(learned.features, written.features[[0, 3]])


def test_the_saved_features_are_of_the_shipped_weights_and_no_fold_saw_its_patients() -> None:
    for model in (brain_chapter.MODEL, sarcoma_chapter.MODEL):
        folder = models_root() / model
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        kept = read_features(folder)
        assert kept.weights_sha256 == card["weights"]["sha256"], model
        folds = {one.case: f"fold-{one.fold}" for one in next(iter(read_said(folder).values()))[HELD_OUT[model]]}
        for row in kept.part(False).rows:
            assert row.network == folds.get(row.case, FINAL)
        assert all(row.network == FINAL and row.case in folds for row in kept.part(True).rows)


HELD_OUT = {brain_chapter.MODEL: "validation", sarcoma_chapter.MODEL: sarcoma_chapter.FOLDS}


def test_features_of_each_network_are_freed_of_their_own_mean_and_scale() -> None:
    two = features(40, 3, (FINAL, "fold-1"))
    moved = two.features.copy()
    moved[1::2] = moved[1::2] * 7 + 100
    same = standardized(FeatureTable(two.model, two.weights_sha256, two.rows, moved))
    assert same == pytest.approx(standardized(two), abs=1e-3)
    assert same[1::2].mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-6)


def test_two_groups_stay_apart_and_the_plot_is_the_same_each_time() -> None:
    pytest.importorskip("sklearn.manifold", reason="scikit-learn (train group) is not installed")
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, (12, 5)), rng.normal(12, 1, (12, 5))])
    places = embed(values)
    assert np.array_equal(places, embed(values))
    centers = places[:12].mean(axis=0), places[12:].mean(axis=0)
    nearer = [np.linalg.norm(p - centers[n >= 12]) < np.linalg.norm(p - centers[n < 12]) for n, p in enumerate(places)]
    assert all(nearer)


def test_without_scikit_learn_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(EnvironmentFault) as fault:
        embed(np.zeros((5, 2)))
    assert "lesionlens[train]" in fault.value.remedy


def test_curves_are_drawn_wide_enough_to_read(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    pytest.importorskip("matplotlib", reason="matplotlib (train group) is not installed")
    ones = said([2.0, 1.0, -0.5, 0.1, -1.0], [1, 1, 0, 1, 0])
    draw_rocs({"left": {"a": ones}, "right": {"a": ones, "b*": ones}}, tmp_path / "roc.png")
    with image.open(tmp_path / "roc.png") as picture:
        assert picture.width >= 1280
