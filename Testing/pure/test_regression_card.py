"""The card of a model that puts out numbers: what it must say, and how a wrong one is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_model import tiny_card

from LesionLensLib.catalogue import read_card
from LesionLensLib.errors import UserError
from LesionLensLib.model_card import ModelCard
from LesionLensLib.regression_card import RegressionOutput

DIFFERENCES = {"left": "left", "right": "right", "cases": 40, "truth": [-20, -1, 0.5, 21], "predicted": [-9, 0, 0, 8]}
REGRESSION: dict[str, Any] = {
    "outputs": [
        {"name": "total", "unit": "ml", "sigma": 12.5, "title": "Lesion load", "error": 2.0},
        {"name": "left", "unit": "ml", "sigma": 7},
        {"name": "right", "unit": "ml", "sigma": 7.5},
    ],
    "differences": DIFFERENCES,
}


def read(folder: Path, regression: Any = REGRESSION, **changes: Any) -> ModelCard:
    record = tiny_card() | {"task": "regression", "regression": regression} | changes
    del record["labels"]
    (folder / "card.json").write_text(json.dumps(record))
    return read_card(folder)


def test_the_card_names_outputs_with_unit_and_spread_and_the_differences_of_the_sides(tmp_path: Path) -> None:
    card = read(tmp_path)
    regression = card.regression
    assert regression is not None
    assert regression.outputs[0] == RegressionOutput("total", "ml", 12.5, "Lesion load", 2.0)
    assert regression.outputs[1].error is None
    assert regression.index_of("right") == 2
    assert regression.differences is not None
    assert regression.differences.truth == (-20.0, -1.0, 0.5, 21.0)
    assert (card.outcome, card.labels) == (None, ())
    with pytest.raises(KeyError, match="total, left, right"):
        regression.index_of("middle")


def test_what_is_written_into_a_card_is_read_back(tmp_path: Path) -> None:
    regression = read(tmp_path).regression
    assert regression is not None
    assert read(tmp_path, regression.to_dict()).regression == regression
    alone = read(tmp_path, {"outputs": REGRESSION["outputs"]}).regression
    assert alone is not None
    assert alone.differences is None
    assert "differences" not in alone.to_dict()


def output(**changes: Any) -> dict[str, Any]:
    return {"outputs": [{**REGRESSION["outputs"][0], **changes}]}


def differences(**changes: Any) -> dict[str, Any]:
    return REGRESSION | {"differences": DIFFERENCES | changes}


@pytest.mark.parametrize(
    ("regression", "field"),
    [
        ([], "regression is not an object"),
        ({"outputs": []}, "regression.outputs"),
        ({**REGRESSION, "output": 1}, "unknown field output"),
        (output(sigma=0), "sigma"),
        (output(sigma=float("nan")), "sigma"),
        (output(sigma=True), "sigma"),
        (output(error=-1), "error"),
        (output(unit=""), "unit"),
        (output(title=3), "title"),
        (output(colour="red"), "unknown field colour"),
        ({"outputs": [REGRESSION["outputs"][0]] * 2}, "a name twice"),
        (differences(left="middle"), "two outputs"),
        (differences(right="left"), "two outputs"),
        (differences(cases=0), "cases"),
        (differences(truth=[0, 1, 2]), "same length"),
        (differences(predicted=[0, 2, 1, 3]), "smallest to the largest"),
        (differences(truth=[0]), "quantiles"),
    ],
)
def test_a_wrong_regression_card_is_refused_with_the_name_of_the_field(
    tmp_path: Path, regression: Any, field: str
) -> None:
    with pytest.raises(UserError, match=field):
        read(tmp_path, regression)


def test_a_card_cannot_be_of_an_outcome_and_of_a_regression(tmp_path: Path) -> None:
    outcome = {"outcome": {"event": "relapse", "classes": ["none", "relapse"]}, "field_mm": [9, 9, 9]}
    with pytest.raises(UserError, match="both a regression and an outcome"):
        read(tmp_path, **outcome)


def test_only_a_regression_needs_no_labels(tmp_path: Path) -> None:
    record = tiny_card()
    del record["labels"]
    (tmp_path / "card.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="labels"):
        read_card(tmp_path)
