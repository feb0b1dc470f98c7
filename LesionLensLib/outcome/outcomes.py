"""Known outcomes beside what a model said about them, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from LesionLensLib.errors import UserError

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """`labels` `(n,)` of 0 and 1, `scores` `(n,)` that grow with risk, and the patient of every case.

    Built by `of`, which checks. A patient can have several cases (lesions).
    """

    labels: NDArray[np.int64]
    scores: Floats
    patients: tuple[str, ...]

    @classmethod
    def of(cls, labels: ArrayLike, scores: ArrayLike, patients: Sequence[str] | None = None) -> Outcomes:
        """Check and keep the outcomes; without `patients` every case is a patient of its own.

        Raises `UserError` for no cases at all, unequal lengths, a label other than 0 or 1, and a score that is not a
        finite number.
        """
        known, said = np.asarray(labels, dtype=np.float64).ravel(), np.asarray(scores, dtype=np.float64).ravel()
        names = tuple(str(n) for n in range(known.size)) if patients is None else tuple(patients)
        if known.size == 0:
            raise UserError("There is no case to judge.", "Give at least one case with an outcome.")
        if not known.size == said.size == len(names):
            raise UserError(
                f"There are {known.size} outcomes, {said.size} predictions and {len(names)} patients.",
                "Give one of each for every case.",
            )
        if not np.isin(known, (0.0, 1.0)).all():
            raise UserError("An outcome is neither 0 nor 1.", "Write 1 where the event happened and 0 where not.")
        if not np.isfinite(said).all():
            raise UserError("A prediction is not a finite number.", "Leave out the cases that have no prediction.")
        return cls(known.astype(np.int64), said, names)

    @property
    def cases(self) -> int:
        """How many cases there are."""
        return len(self.patients)

    @cached_property
    def groups(self) -> tuple[Indices, ...]:
        """The cases of each patient, patients in the order of their first case."""
        found: dict[str, list[int]] = {}
        for index, name in enumerate(self.patients):
            found.setdefault(name, []).append(index)
        return tuple(np.array(cases, dtype=np.intp) for cases in found.values())

    @property
    def independent(self) -> bool:
        """Whether no patient has more than one case, so that formulas for independent cases hold."""
        return len(self.groups) == self.cases

    def count_patients(self, chosen: NDArray[np.bool_]) -> int:
        """Return how many patients have a case among the `chosen` `(n,)`."""
        return sum(bool(chosen[group].any()) for group in self.groups)
