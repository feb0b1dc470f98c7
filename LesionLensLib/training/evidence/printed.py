"""Intervals of printed numbers: the papers give none, the counts behind their shares do."""

from __future__ import annotations

from LesionLensLib.outcome.confusion import share_figure
from LesionLensLib.outcome.roc import newcombe_interval
from LesionLensLib.training.evidence.markdown import as_printed
from LesionLensLib.training.evidence.published import Cohort


def printed_figure(name: str, value: float, cohort: Cohort) -> str:
    """Return a printed figure with the 95 % interval that the number of cases allows.

    Wilson's for accuracy, sensitivity and specificity, Newcombe's (method 5) for an AUC; cases count as independent,
    which is too kind where a patient has several. Precision and F1 stand alone: their denominators are not printed.
    """
    out_of = {"accuracy": cohort.cases, "sensitivity": cohort.events, "specificity": cohort.others}.get(name)
    if out_of is not None:
        found = share_figure(round(value * out_of), out_of)
        return f"{as_printed(value)} ({found.low:.2f} to {found.high:.2f})"
    if name == "auc":
        low, high = newcombe_interval(value, cohort.events, cohort.others)
        return f"{as_printed(value)} ({low:.2f} to {high:.2f})"
    return as_printed(value)
