"""Make the frozen statistics by which a new case is called typical of the training cases or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.case_description import CaseDescription
from LesionLensLib.outcome.outcomes import Floats
from LesionLensLib.outcome.shrunk_gaussian import ShrunkGaussian
from LesionLensLib.outcome.typicality import Check, Kind, TypicalityReference, check_values
from LesionLensLib.training.fit_gaussian import fit_gaussian

FEWEST_CASES = 8


def fit_typicality(cases: Sequence[CaseDescription], folds: Sequence[int] | None = None) -> TypicalityReference:
    """Fit the reference to the training cases; every channel, the size and the features (where all have them).

    With the features of one model, training cases are compared by leave-one-out. A network sees cases it was trained on
    differently from new ones; where the models of K folds each give features (`(K, p)` a case), `folds` `(n,)` tells
    which of them, numbered 0..K-1, held each case out, and only that one's distance counts for it. Raises `UserError`
    for fewer than eight cases, and for cases described by different channels.
    """
    if len(cases) < FEWEST_CASES:
        raise UserError(f"Typicality needs {FEWEST_CASES} training cases.", "Give more training cases.")
    roles = tuple(cases[0].intensities)
    if any(set(case.intensities) != set(roles) for case in cases):
        raise UserError("The training cases have different channels.", "Describe every case by the same channels.")
    wanted: list[tuple[Kind, str]] = [("intensity", role) for role in roles]
    wanted += [("size", "lesion"), ("features", "network")]
    checks = []
    for kind, subject in wanted:
        values = [check_values(kind, subject, case) for case in cases]
        known = [v for v in values if v is not None]
        if known and len(known) < len(cases):
            raise UserError(f"Some training cases have no {kind}.", "Describe every case in the same way.")
        if known:
            checks.append(_fit(kind, subject, np.array(known, dtype=np.float64), folds))
    return TypicalityReference(len(cases), tuple(checks))


def _fit(kind: Kind, subject: str, values: Floats, folds: Sequence[int] | None) -> Check:
    """Fit one check to `values` `(n, K, p)`."""
    if values.shape[1] == 1:
        held_out = [_distance_from_others(values[:, 0], n) for n in range(len(values))]
        references: tuple[ShrunkGaussian, ...] = (fit_gaussian(values[:, 0]),)
    else:
        fold = np.asarray([] if folds is None else folds)
        if fold.shape != (len(values),) or set(fold.tolist()) != set(range(values.shape[1])):
            raise UserError("The features come from several models.", "Say which model held out each training case.")
        references = tuple(fit_gaussian(values[fold != k, k]) for k in range(values.shape[1]))
        held_out = [references[k].distance(values[n, k]) for n, k in enumerate(fold.tolist())]
    lowest: tuple[float, ...] = ()
    highest: tuple[float, ...] = ()
    if kind != "features":
        shown = np.exp(values[:, 0]) if kind == "size" else values[:, 0]
        lowest, highest = tuple(shown.min(axis=0).tolist()), tuple(shown.max(axis=0).tolist())
    return Check(kind, subject, references, tuple(held_out), lowest, highest)


def _distance_from_others(values: Floats, left_out: int) -> float:
    return fit_gaussian(np.delete(values, left_out, axis=0)).distance(values[left_out])
