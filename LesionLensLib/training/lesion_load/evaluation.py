"""How well loads are told: what the network said beside the truth, and figures with intervals."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.figure import LEVEL, Figure
from LesionLensLib.training.lesion_load.examples import LoadExample
from LesionLensLib.training.lesion_load.recipe import OUTPUTS

Floats = NDArray[np.float64]
COLUMNS = ("set", "case", "patient", *(f"true_{name}_ml" for name in OUTPUTS), *(f"{name}_ml" for name in OUTPUTS))
METHOD = "bootstrap: patients, then cases within each"
PREDICTIONS_FILE = "predictions.csv"
BATCH = 8
FEWEST_DRAWS = 50
BRIGHT = 2.0
"""The z-score of FLAIR from which the simple baseline takes a voxel for lesion."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Cases of one set: `truth` and `said` (N, 3) in ml, and how many FLAIR voxels are bright (N, 2) left and right."""

    name: str
    cases: tuple[str, ...]
    patients: tuple[str, ...]
    truth: Floats
    said: Floats
    bright: Floats

    @property
    def groups(self) -> list[NDArray[np.int_]]:
        """The places of the cases of each patient."""
        names = np.array(self.patients)
        return [np.flatnonzero(names == name) for name in dict.fromkeys(self.patients)]


def judge(name: str, network: nn.Module, examples: Iterator[LoadExample], device: torch.device) -> Judged:
    """Ask the network, at rest, for the loads of all examples; the last channel is FLAIR."""
    network.eval()
    cases, patients, truth, said, bright = [], [], [], [], []
    for batch in _in_batches(examples):
        images = torch.stack([example.images for example in batch]).to(device)
        with torch.inference_mode():
            said += network(images).double().cpu().tolist()
        sides = (images[:, -1] > BRIGHT).sum((1, 2)).chunk(2, 1)  # the box runs from right to left
        bright += torch.stack([sides[1].sum(1), sides[0].sum(1)], 1).double().cpu().tolist()
        truth += [example.loads_ml.double().tolist() for example in batch]
        cases += [example.case for example in batch]
        patients += [example.patient for example in batch]
    return Judged(name, tuple(cases), tuple(patients), np.array(truth), np.array(said), np.array(bright))


def load_figures(judged: Judged, repeats: int, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Return mean absolute error, root mean square error and R2 of every output and of left less right.

    A figure comes with its 95 % interval and the number of patients and cases. With few patients the interval says how
    sure the figure is for them, not for patients in general.
    """
    truth, said = with_difference(judged.truth), with_difference(judged.said)
    drawn = list(_draws(judged.groups, repeats, seed))
    scores: dict[str, Callable[[Floats, Floats], float]] = {"mae_ml": mae, "rmse_ml": rmse, "r2": r2}
    figures: dict[str, dict[str, Any]] = {}
    for number, output in enumerate((*OUTPUTS, "left_minus_right")):
        figures[output] = {}
        for name, score in scores.items():
            values = [score(truth[index, number], said[index, number]) for index in drawn]
            low, high = _interval([value for value in values if not np.isnan(value)])
            value = score(truth[:, number], said[:, number])
            known = None if np.isnan(value) else value
            figures[output][name] = Figure(
                known, low, high, len(judged.groups), len(judged.cases), METHOD
            ).to_dict()
    return figures


def fit_bright_voxels(judged: Judged) -> Floats:
    """Return slope and intercept of the load of a side over its number of bright FLAIR voxels: the simple baseline.

    Where that number never changes, the slope is 0.
    """
    bright, loads = judged.bright.ravel(), judged.truth[:, 1:].ravel()
    spread = float(bright.var())
    slope = float(((bright - bright.mean()) * (loads - loads.mean())).mean()) / spread if spread > 0 else 0.0
    return np.array([slope, loads.mean() - slope * bright.mean()])


def bright_voxels(judged: Judged, line: Floats) -> Judged:
    """Return the same cases with what the baseline says of them."""
    sides = np.polyval(line, judged.bright)
    said = np.concatenate([sides.sum(1, keepdims=True), sides], 1)
    return Judged(judged.name, judged.cases, judged.patients, judged.truth, said, judged.bright)


def write_predictions(sets: Sequence[Judged], path: Path) -> None:
    """Write a row for every case of every set, whole or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for judged in sets:
            for row in zip(judged.cases, judged.patients, judged.truth, judged.said, strict=True):
                writer.writerow([judged.name, *row[:2], *(f"{number:.4f}" for number in (*row[2], *row[3]))])
    part.replace(path)


def read_loads(path: Path) -> dict[str, Judged]:
    """Read what `write_predictions` wrote, by set; the numbers of bright voxels are not in it, hence NaN.

    Raises `UserError` for a file that is missing or something else.
    """
    sets: dict[str, list[dict[str, str]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for record in csv.DictReader(file):
                sets.setdefault(record["set"], []).append(record)
        return {name: _judged(name, records) for name, records in sets.items()}
    except (OSError, KeyError, ValueError, TypeError) as error:
        message = f"The predictions in {path.name} cannot be read."
        raise UserError(message, "Train the model again.", repr(error)) from error


def _judged(name: str, records: Sequence[dict[str, str]]) -> Judged:
    truth, said = (
        np.array([[float(record[f"{prefix}{output}_ml"]) for output in OUTPUTS] for record in records])
        for prefix in ("true_", "")
    )
    cases, patients = (tuple(record[column] for record in records) for column in ("case", "patient"))
    return Judged(name, cases, patients, truth, said, np.full((len(records), 2), np.nan))


def with_difference(loads: Floats) -> Floats:
    """Return loads (N, 3) with left less right as a fourth column."""
    return np.column_stack([loads, loads[:, 1] - loads[:, 2]])


def mae(truth: Floats, said: Floats) -> float:
    """Return the mean absolute error."""
    return float(np.abs(said - truth).mean())


def rmse(truth: Floats, said: Floats) -> float:
    """Return the root mean square error."""
    return float(np.sqrt(np.square(said - truth).mean()))


def r2(truth: Floats, said: Floats) -> float:
    """Return the share of the variance of `truth` that is explained; NaN where it has none."""
    spread = np.square(truth - truth.mean()).sum()
    return float(1 - np.square(said - truth).sum() / spread) if spread > 0 else float("nan")


def _interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the 95 % percentile interval, undefined where too few draws had a value."""
    if len(values) < FEWEST_DRAWS:
        return None, None
    low, high = np.quantile(values, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def _draws(groups: Sequence[NDArray[np.int_]], repeats: int, seed: int) -> Iterator[NDArray[np.int_]]:
    rng = np.random.default_rng(seed)
    for _ in range(repeats):
        chosen = [groups[int(n)] for n in rng.integers(len(groups), size=len(groups))]
        yield np.concatenate([group[rng.integers(len(group), size=len(group))] for group in chosen])


def _in_batches(examples: Iterator[LoadExample]) -> Iterator[list[LoadExample]]:
    batch: list[LoadExample] = []
    for example in examples:
        batch.append(example)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
