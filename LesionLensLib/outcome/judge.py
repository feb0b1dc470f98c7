"""All figures of one outcome model on patients with known outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from LesionLensLib.outcome.bootstrap import REPEATS, bootstrap_interval
from LesionLensLib.outcome.confusion import Confusion, confusion, share_figure
from LesionLensLib.outcome.figure import Figure
from LesionLensLib.outcome.outcomes import Indices, Outcomes
from LesionLensLib.outcome.roc import auc, auc_figure


def judge(outcomes: Outcomes, threshold: float = 0.5, repeats: int = REPEATS, seed: int = 0) -> dict[str, Figure]:
    """Return accuracy, sensitivity, specificity, precision, negative predictive value, f1, balanced accuracy and AUC.

    A case is called positive where its score is at least `threshold`. Shares of patients have Wilson's interval, AUC
    that of `auc_figure`, everything else (and everything where patients have several cases) a bootstrap over patients.
    """
    counts = _counts(outcomes, threshold, np.arange(outcomes.cases, dtype=np.intp))
    shares, figures = counts.shares(), {}
    for name, value in counts.figures().items():
        if outcomes.independent and name in shares:
            figures[name] = share_figure(*shares[name])
            continue
        behind = _behind(outcomes, threshold, name)
        low, high = (None, None)
        if value is not None:
            low, high = bootstrap_interval(outcomes.groups, _statistic(outcomes, threshold, name), repeats, seed)
        figures[name] = Figure(value, low, high, *behind, "bootstrap")
    return {**figures, "auc": auc_figure(outcomes, repeats, seed)}


def auc_by_fold(outcomes: Outcomes, folds: Sequence[int]) -> dict[int, float | None]:
    """Return the area within each fold; `None` for a fold in which one outcome is missing."""
    fold = np.asarray(folds)
    return {
        int(k): auc(outcomes.labels[fold == k], outcomes.scores[fold == k]) for k in sorted(np.unique(fold).tolist())
    }


def _counts(outcomes: Outcomes, threshold: float, drawn: Indices) -> Confusion:
    return confusion(outcomes.labels[drawn], outcomes.scores[drawn] >= threshold)


def _statistic(outcomes: Outcomes, threshold: float, name: str) -> Callable[[Indices], float | None]:
    return lambda drawn: _counts(outcomes, threshold, drawn).figures()[name]


def _behind(outcomes: Outcomes, threshold: float, name: str) -> tuple[int, int]:
    """Return the patients and the cases from which a figure is computed: the positive ones for a sensitivity."""
    positive, called = outcomes.labels == 1, outcomes.scores >= threshold
    parts = {
        "sensitivity": positive,
        "specificity": ~positive,
        "precision": called,
        "negative_predictive_value": ~called,
    }
    chosen = parts.get(name, np.ones(outcomes.cases, dtype=bool))
    return outcomes.count_patients(chosen), int(chosen.sum())
