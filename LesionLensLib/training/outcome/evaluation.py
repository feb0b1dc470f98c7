"""Judge predicted outcomes: the papers' figures with intervals, calibration, the ROC curve as table and picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from LesionLensLib.outcome.confusion import confusion
from LesionLensLib.outcome.outcomes import Outcomes
from LesionLensLib.outcome.reliability import reliability
from LesionLensLib.outcome.roc import RocCurve, auc_figure, roc_curve
from LesionLensLib.training.outcome.calibration_report import calibration_figures
from LesionLensLib.training.outcome.predictions import Prediction
from LesionLensLib.training.outcome.tables import row_figures

ROC_TABLE, ROC_PICTURE = "roc.csv", "roc.png"


def judge_predictions(predictions: Sequence[Prediction], threshold: float, repeats: int) -> dict[str, Any]:
    """Return counts, every figure with its 95 % interval, and how far the probabilities can be believed.

    A case is called positive from a probability of `threshold` on; a figure that needs both outcomes is None where one
    is missing. `repeats` draws of patients stand behind an interval.
    """
    said = _outcomes(predictions, [one.probability for one in predictions])
    counts = confusion(said.labels, said.scores >= threshold)
    figures = row_figures(predictions, repeats=repeats, threshold=threshold)
    return {
        "threshold": threshold,
        "patients": len(said.groups),
        "cases": said.cases,
        "events": counts.positives,
        "interval": "95 %: Wilson for shares of single cases, DeLong (Newcombe at 0 and 1) for AUC, else bootstrap of "
        "patients",
        "confusion": {
            "true_positives": counts.true_positives,
            "false_negatives": counts.false_negatives,
            "true_negatives": counts.true_negatives,
            "false_positives": counts.false_positives,
        },
        "figures": {name: figure.to_dict() for name, figure in figures.items()},
        "calibration": calibration_figures(said, reliability(said, binning="equal-count"), repeats),
    }


def write_roc(predictions: Sequence[Prediction], note: str, folder: Path) -> bool:
    """Write `roc.csv` and `roc.png` into `folder`, `note` above the picture; False where one outcome is missing."""
    outcomes = _outcomes(predictions, [one.score for one in predictions])
    curve = roc_curve(outcomes)
    if curve is None:
        return False
    with (folder / ROC_TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["score_at_least", "false_positive_rate", "true_positive_rate"])
        points = zip(curve.thresholds, curve.false_positive_rate, curve.true_positive_rate, strict=True)
        writer.writerows([f"{value:.9g}" for value in point] for point in points)
    _draw(curve, f"{note}\nAUC {auc_figure(outcomes)}".lstrip(), folder / ROC_PICTURE)
    return True


def _draw(curve: RocCurve, title: str, path: Path) -> None:
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(4.5, 4.5), layout="constrained")
    axes = picture.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--")
    axes.plot(curve.false_positive_rate, curve.true_positive_rate, color="C0")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", xlabel="1 - specificity", ylabel="sensitivity")
    axes.set_title(title, fontsize=9)
    picture.savefig(path, dpi=110)


def _outcomes(predictions: Sequence[Prediction], scores: Sequence[float]) -> Outcomes:
    return Outcomes.of([one.outcome for one in predictions], scores, [one.patient for one in predictions])
