"""`lesionlens evaluate` of predicted outcomes: from a table of predictions, and from a model and a manifest."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from predict_files import PredictFiles, result_of
from tiny_outcome_model import changed_model

from LesionLensLib.cli.main import main

MODELS = Path(__file__).resolve().parents[2] / "Resources" / "Models"


def evaluate(output: Path, *arguments: str) -> int:
    return main(["evaluate", "--progress", "none", "--bootstrap", "200", *arguments, "--output", str(output)])


def metrics_of(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return record


def table(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def counted(path: Path, hits: int, positives: int, rejections: int, negatives: int) -> str:
    """Write a table of predictions with these true positives and true negatives."""
    said = [(1, n < hits) for n in range(positives)] + [(0, n >= rejections) for n in range(negatives)]
    lines = [f"p{n},{outcome},{0.8 if called else 0.2}" for n, (outcome, called) in enumerate(said)]
    return table(path, "case,outcome,probability", *lines)


@pytest.mark.parametrize(
    ("counts", "printed"),
    [
        # CHMFL in Table I of Peng et al., then Res + SA + BiT and Res + CBAM + BiT in Table S3 of Jalalifar et al.
        ((21, 24, 20, 24), {"accuracy": 0.854, "sensitivity": 0.875, "specificity": 0.833, "f1": 0.857}),
        ((21, 24, 20, 24), {"precision": 0.840}),
        ((14, 17, 19, 23), {"accuracy": 0.825, "sensitivity": 0.824, "specificity": 0.826, "f1": 0.800}),
        ((15, 17, 17, 23), {"accuracy": 0.800, "sensitivity": 0.882, "specificity": 0.739, "f1": 0.789}),
    ],
)  # fmt: skip
def test_the_papers_counts_give_the_papers_rows(
    counts: tuple[int, int, int, int], printed: dict[str, float], tmp_path: Path
) -> None:
    assert evaluate(tmp_path / "out", "--predictions", counted(tmp_path / "said.csv", *counts)) == 0
    figures = metrics_of(tmp_path / "out")["figures"]
    assert {name: figures[name]["value"] for name in printed} == pytest.approx(printed, abs=6e-4)
    assert all(figures[name]["low"] < figures[name]["value"] < figures[name]["high"] for name in printed)


def test_the_shipped_predictions_give_the_shipped_table(tmp_path: Path) -> None:
    folder = MODELS / "chmfl-sarcoma"
    assert evaluate(tmp_path / "out", "--predictions", str(folder / "predictions.csv")) == 0
    record = metrics_of(tmp_path / "out")
    with (folder / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["row"], row["scope"]) == ("chmfl", "cross-validation")]
    wanted = {row["figure"]: float(row["value"]) for row in rows if "_minus_" not in row["figure"]}
    assert {name: record["figures"][name]["value"] for name in wanted} == wanted
    auc, found = next(row for row in rows if row["figure"] == "auc"), record["figures"]["auc"]
    assert (found["low"], found["high"]) == (float(auc["low"]), float(auc["high"]))
    assert (record["patients"], record["events"]) == (42, 16)


def test_the_roc_curve_is_a_table_and_a_picture(tmp_path: Path) -> None:
    lines = ("case,label,probability", "a,1,0.9", "b,0,0.6", "c,1,0.4", "d,0,0.1")
    assert evaluate(tmp_path / "out", "--predictions", table(tmp_path / "said.csv", *lines), "--threshold", "0.3") == 0
    curve = (tmp_path / "out" / "roc.csv").read_text().splitlines()[1:]
    scores, wrong, right = zip(*(line.split(",") for line in curve), strict=True)
    assert (wrong, right) == (("0", "0", "0.5", "0.5", "1"), ("0", "0.5", "0.5", "1", "1"))
    assert scores[0] == "inf"
    assert (tmp_path / "out" / "roc.png").read_bytes().startswith(b"\x89PNG")
    record = metrics_of(tmp_path / "out")
    assert record["figures"]["auc"]["value"] == 0.75
    assert record["confusion"] == {
        "true_positives": 2, "false_negatives": 0, "true_negatives": 1, "false_positives": 1
    }  # fmt: skip


def test_with_one_outcome_alone_there_is_no_curve_and_what_needs_both_is_undefined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = ("case,outcome,probability", "a,0,0.9", "b,0,0.6", "c,0,0.1", "d,,0.4", "e,1,")
    assert evaluate(tmp_path / "out", "--predictions", table(tmp_path / "said.csv", *lines)) == 0
    assert "the same outcome" in capsys.readouterr().err
    record = metrics_of(tmp_path / "out")
    undefined = {name for name, figure in record["figures"].items() if figure["value"] is None}
    assert undefined == {"auc", "sensitivity", "balanced_accuracy"}
    assert record["figures"]["specificity"]["value"] == pytest.approx(1 / 3, abs=1e-4)
    assert record["left_out"] == {"without_outcome": 1, "without_probability": 1}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["metrics.json"]


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["case,outcome,probability"], "no line"),
        (["case,probability", "a,0.5"], "lack the column outcome"),
        (["outcome,probability", "1,0.5"], "lack the column case"),
        (["case,outcome,probability", "a,1,50 %"], "Line 2 has '50 %' as probability"),
        (["case,outcome,probability", "a,1,0.5", "b,yes,0.5"], "Line 3 has the outcome 'yes'"),
        (["case,outcome,probability", "a,1,1.5"], "Line 2 has the probability 1.5"),
        (["case,outcome,probability", "a,1,nan"], "Line 2 has 'nan'"),
        (["case,outcome,probability", "a,1,0.5", "a,0,0.5"], "the case 'a' empty or twice"),
        (["case,outcome,probability", "a,,0.5"], "no case with an outcome and a probability"),
    ],
)
def test_a_table_that_cannot_be_judged_is_refused_in_words(
    lines: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(tmp_path / "out", "--predictions", table(tmp_path / "said.csv", *lines)) == 2
    said = capsys.readouterr().err.splitlines()
    assert complaint in said[0]
    assert said[1].startswith("remedy: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "nothing to judge"),
        (["--predictions", "missing.csv"], "cannot be read"),
        (["--predictions", "a.csv", "--model", "rsanet-ms"], "--model does not go with"),
        (["--predictions", "a.csv", "--threshold", "2"], "not a probability"),
        (["--model", "rsanet-ms", "--data", "a.csv", "--threshold", "0.4"], "predicts no outcome"),
    ],
)
def test_what_does_not_go_together_is_refused(
    arguments: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(tmp_path / "out", *arguments) == 2
    assert complaint in capsys.readouterr().err


def manifest(files: PredictFiles, *labels: str) -> str:
    """Write a table in which the good case stands once for each label."""
    images = ",".join(str(files.paths[name]) for name in ("PET", "CT", "lesion"))
    lines = [f"case{n},patient{n},{images},{label},test" for n, label in enumerate(labels)]
    return table(files.folder / "cases.csv", "case,patient,PET,CT,lesion,label,split", *lines)


def test_a_model_is_judged_by_what_predict_says_of_each_case(predict_files: PredictFiles) -> None:
    arguments = ("--model", str(predict_files.model), "--data", manifest(predict_files, "1", "0", ""))
    assert evaluate(predict_files.folder / "out", *arguments, "--device", "cpu") == 0
    assert main(predict_files.call().arguments()) == 0
    probability = result_of(predict_files.call().output)["probability"]
    record = metrics_of(predict_files.folder / "out")
    with (predict_files.folder / "out" / "predictions.csv").open(newline="") as file:
        said = list(csv.DictReader(file))
    assert [(one["case"], one["outcome"]) for one in said] == [("case0", "1"), ("case1", "0")]
    assert [float(one["probability"]) for one in said] == pytest.approx([probability] * 2)
    assert record["figures"]["auc"]["value"] == 0.5
    assert 0 <= record["figures"]["whole_dice"]["value"] <= 1
    assert record["model"]["id"] == "tiny-chmfl"
    assert "note" not in record


def test_figures_of_a_model_with_simulated_outcomes_say_so(
    predict_files: PredictFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    model = changed_model(predict_files.model, predict_files.folder / "model", evidence="simulated")
    arguments = ("--model", str(model), "--data", manifest(predict_files, "1"), "--device", "cpu")
    assert evaluate(predict_files.folder / "out", *arguments) == 0
    assert metrics_of(predict_files.folder / "out")["note"] == "demonstration weights, simulated outcome"
    assert capsys.readouterr().out.startswith("demonstration weights, simulated outcome\n")


def test_a_manifest_without_outcomes_is_refused(
    predict_files: PredictFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    for labels, complaint in ((("",), "no case with a known outcome"), (("2",), "not an outcome")):
        arguments = ("--model", str(predict_files.model), "--data", manifest(predict_files, *labels))
        assert evaluate(predict_files.folder / "out", *arguments) == 2
        assert complaint in capsys.readouterr().err
        assert not (predict_files.folder / "out").exists()


def test_the_case_that_cannot_be_predicted_is_named(
    predict_files: PredictFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    table_of_cases = Path(manifest(predict_files, "1", "0"))
    good, bad = (f"patient1,{predict_files.paths[role]}" for role in ("PET", "CT"))
    table_of_cases.write_text(table_of_cases.read_text().replace(good, bad))
    arguments = ("--model", str(predict_files.model), "--data", str(table_of_cases), "--device", "cpu")
    assert evaluate(predict_files.folder / "out", *arguments) == 2
    assert "error: Case case1: " in capsys.readouterr().err
    assert not (predict_files.folder / "out").exists()
