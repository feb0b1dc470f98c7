"""What the card of a regression model says beyond that of any model, and the reading of it.

SMOCAM (Konate et al., ISBI 2021) divides by the spread of each output, and its asymmetry check compares a patient with
the differences between left and right in the training set: both come with the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from LesionLensLib.outcome_card import WrongField

REGRESSION_FIELD = "regression"
MOST_OUTPUTS = 1000


@dataclass(frozen=True)
class RegressionOutput:
    """One number that the network puts out.

    `sigma` is the standard deviation of this output over the training cases, in its `unit`; SMOCAM counts errors in it.
    `error` is the root mean square error on cases of patients who were held out, None where it was not measured.
    """

    name: str
    unit: str
    sigma: float
    title: str = ""
    error: float | None = None


@dataclass(frozen=True)
class SideDifferences:
    """How far left and right differ in the training set: quantiles of output `left` minus output `right`.

    `truth` and `predicted` are as long as each other, evenly spaced from the smallest (0 %) to the largest (100 %) of
    `cases`, in the unit of the outputs.
    """

    left: str
    right: str
    cases: int
    truth: tuple[float, ...]
    predicted: tuple[float, ...]


@dataclass(frozen=True)
class RegressionCard:
    """The outputs in the order of the network's, and the differences of the sides where it tells sides apart."""

    outputs: tuple[RegressionOutput, ...]
    differences: SideDifferences | None = None

    def index_of(self, name: str) -> int:
        """Return the place of the output called `name`; raises `KeyError` where there is none."""
        names = [output.name for output in self.outputs]
        if name not in names:
            raise KeyError(f"no output is called {name!r}, only {', '.join(names)}")
        return names.index(name)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values that `regression_from_record` reads back."""
        record: dict[str, Any] = {"outputs": [asdict(output) for output in self.outputs]}
        return record if self.differences is None else {**record, "differences": asdict(self.differences)}


def regression_from_record(record: Mapping[str, Any]) -> RegressionCard | None:
    """Return the part of a card's JSON about a regression, None where it is no such model; raises `WrongField`."""
    if REGRESSION_FIELD not in record:
        return None
    part = _object(record[REGRESSION_FIELD], REGRESSION_FIELD, ("outputs", "differences"))
    listed = part.get("outputs")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_OUTPUTS:
        raise WrongField("regression.outputs is not a list with at least one entry")
    outputs = tuple(_output(item) for item in listed)
    names = [output.name for output in outputs]
    if len(set(names)) != len(names):
        raise WrongField("regression.outputs has a name twice")
    return RegressionCard(outputs, _differences(part.get("differences"), names))


def _output(value: object) -> RegressionOutput:
    item = _object(value, "an entry of regression.outputs", ("name", "unit", "sigma", "title", "error"))
    for name in ("name", "unit"):
        if not isinstance(item.get(name), str) or not item[name].strip():
            raise WrongField(f"regression.outputs.{name} is missing or not text")
    title, error = item.get("title", ""), item.get("error")
    if not isinstance(title, str):
        raise WrongField("regression.outputs.title is not text")
    sigma = _number(item.get("sigma"), "regression.outputs.sigma")
    if sigma == 0:
        raise WrongField("regression.outputs.sigma is 0: such an output says nothing")
    known = None if error is None else _number(error, "regression.outputs.error")
    return RegressionOutput(item["name"], item["unit"], sigma, title, known)


def _differences(value: object, names: list[str]) -> SideDifferences | None:
    if value is None:
        return None
    where = "regression.differences"
    item = _object(value, where, ("left", "right", "cases", "truth", "predicted"))
    left, right, cases = item.get("left"), item.get("right"), item.get("cases")
    if left == right or left not in names or right not in names:
        raise WrongField(f"{where} does not name two outputs")
    if isinstance(cases, bool) or not isinstance(cases, int) or cases < 1:
        raise WrongField(f"{where}.cases is not a number of cases")
    truth, predicted = (_quantiles(item.get(name), f"{where}.{name}") for name in ("truth", "predicted"))
    if len(truth) != len(predicted):
        raise WrongField(f"{where}.truth and predicted are not of the same length")
    return SideDifferences(left, right, cases, truth, predicted)


def _quantiles(value: object, where: str) -> tuple[float, ...]:
    wrong = f"{where} is not a list of quantiles, from the smallest to the largest"
    if not isinstance(value, list) or len(value) < 2 or not all(_is_number(number) for number in value):
        raise WrongField(wrong)
    if any(after < before for before, after in pairwise(value)):
        raise WrongField(wrong)
    return tuple(float(number) for number in value)


def _number(value: Any, where: str) -> float:
    if not _is_number(value) or value < 0:
        raise WrongField(f"{where} is not a number of 0 or more")
    return float(value)


def _object(value: object, where: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise WrongField(f"{where} is not an object")
    unknown = [name for name in value if name not in known]
    if unknown:
        raise WrongField(f"{where} has an unknown field {unknown[0]}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
