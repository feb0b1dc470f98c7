"""Divide cases into training and test so that a patient is never on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from LesionLensLib.cohort.importers.found import FoundCase


def divide(cases: Sequence[FoundCase], test_share: float, seed: int) -> tuple[FoundCase, ...]:
    """Return the cases with the splits train and test drawn by patient; those without lesion and label keep theirs.

    Of the patients of each label (that of any of their cases; the highest counts) `test_share` is for testing, rounded,
    so that an event rarely seen is seen in the test too. Raises `ValueError` for a share outside of 0 to 1.
    """
    if not 0 < test_share < 1:
        raise ValueError(f"the share of test patients is between 0 and 1, not {test_share}")
    labels: dict[str, str] = {}
    for case in cases:
        if _is_labelled(case):
            labels[case.patient] = max(labels.get(case.patient, ""), case.label)
    rng = np.random.default_rng(seed)
    tested: set[str] = set()
    for label in sorted(set(labels.values())):
        patients = sorted(patient for patient, own in labels.items() if own == label)
        count = round(len(patients) * test_share)
        tested |= {patients[n] for n in rng.permutation(len(patients))[:count]}
    return tuple(
        replace(case, split="test" if case.patient in tested else "train") if _is_labelled(case) else case
        for case in cases
    )


def on_both_sides(cases: Sequence[FoundCase]) -> tuple[str, ...]:
    """Return the patients with cases in more than one split, sorted."""
    splits: dict[str, set[str]] = {}
    for case in cases:
        if case.split:
            splits.setdefault(case.patient, set()).add(case.split)
    return tuple(sorted(patient for patient, own in splits.items() if len(own) > 1))


def _is_labelled(case: FoundCase) -> bool:
    return bool(case.label) or "lesion" in case.files
