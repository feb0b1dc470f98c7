"""Folds for cross-validation of an outcome: a patient never in two of them, outcomes dealt evenly, written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from LesionLensLib.errors import UserError

FOLDS = 6


@dataclass(frozen=True)
class FoldPlan:
    """The patients of every fold, sorted, and the seed that dealt them."""

    seed: int
    folds: tuple[tuple[str, ...], ...]

    def fold_of(self, patients: Sequence[str]) -> list[int]:
        """Return the fold that holds out each case; raises `UserError` for a patient who is in none."""
        place = {patient: number for number, fold in enumerate(self.folds) for patient in fold}
        missing = set(patients) - set(place)
        if missing:
            raise UserError(f"{len(missing)} patients are in no fold.", "Make the folds again for these patients.")
        return [place[patient] for patient in patients]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"seed": self.seed, "folds": [list(fold) for fold in self.folds]}

    @classmethod
    def from_dict(cls, record: object) -> FoldPlan:
        """Read what `to_dict` wrote; raises `UserError` for anything else or a patient in two folds."""
        try:
            folds = tuple(tuple(str(patient) for patient in fold) for fold in record["folds"])  # type: ignore[index]
            plan = cls(int(record["seed"]), folds)  # type: ignore[index]
        except (KeyError, TypeError, ValueError) as error:
            raise UserError("The file of the folds holds no folds.", "Make the folds again.", repr(error)) from error
        patients = [patient for fold in plan.folds for patient in fold]
        if len(set(patients)) != len(patients):
            raise UserError("The file of the folds has a patient twice.", "Make the folds again.")
        return plan


def make_folds(patients: Sequence[str], labels: Sequence[int], folds: int = FOLDS, seed: int = 0) -> FoldPlan:
    """Deal patients into folds so that each has, within one, as many patients and as many with the event.

    `patients` and `labels` (0 or 1) have an entry a case (lesion); a patient has the event if any lesion has. Patients
    with many lesions are dealt first, to the fold with the fewest lesions, so that lesions are even too as far as
    patients allow. The order of the cases does not matter. Raises `UserError` where an outcome has fewer patients than
    there are folds, or a label is neither 0 nor 1.
    """
    if folds < 2 or len(patients) != len(labels) or not set(labels) <= {0, 1}:
        raise UserError("Folds need a patient and an outcome of 0 or 1 for every case.", "Correct the table of cases.")
    lesions: dict[str, list[int]] = {}
    for patient, label in sorted(zip(patients, labels, strict=True)):
        lesions.setdefault(patient, []).append(int(label))
    rng = np.random.default_rng(seed)
    dealt: list[list[str]] = [[] for _ in range(folds)]
    for outcome in (1, 0):
        group = [patient for patient, known in lesions.items() if max(known) == outcome]
        if len(group) < folds:
            _refuse(len(group), outcome, folds)
        shuffled = [group[n] for n in rng.permutation(len(group))]
        _deal(sorted(shuffled, key=lambda patient: -len(lesions[patient])), dealt, lesions, rng)
    return FoldPlan(seed, tuple(tuple(sorted(fold)) for fold in dealt))


def _refuse(count: int, outcome: int, folds: int) -> NoReturn:
    if count == 0:
        message = f"No patient of the training has the outcome {outcome}."
        raise UserError(message, "Add patients with it: from one outcome alone there is nothing to learn.")
    if count == 1:
        message = f"Only one patient of the training has the outcome {outcome}, and {folds} folds need {folds}."
        raise UserError(message, "Add patients with it: nobody is left to judge on beside the one to learn from.")
    raise UserError(
        f"{count} patients with outcome {outcome} cannot be dealt into {folds} folds.",
        f"Ask for at most {count} folds, or add patients; with fewer than 3 folds there is no calibration.",
    )


def _deal(
    group: Sequence[str], dealt: list[list[str]], lesions: Mapping[str, list[int]], rng: np.random.Generator
) -> None:
    """Give each patient to the fold with the fewest of the group, then the fewest patients, then the fewest lesions."""
    of_group = [0] * len(dealt)
    lot = rng.permutation(len(dealt))
    for patient in group:
        count = [sum(len(lesions[p]) for p in fold) for fold in dealt]
        keys = [(of_group[k], len(dealt[k]), count[k], int(lot[k])) for k in range(len(dealt))]
        chosen = keys.index(min(keys))
        of_group[chosen] += 1
        dealt[chosen].append(patient)
