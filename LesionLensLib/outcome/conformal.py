"""Which outcomes cannot be excluded for one patient: cross-conformal prediction.

Source: Vovk, Annals of Mathematics and Artificial Intelligence 74 (2015).

Every training patient was scored by the model of the fold without that patient: how unlikely that model found what
happened. An outcome is excluded for a new patient where it would be more unlikely than for nearly all of them. For
exchangeable patients the set holds the true outcome with probability of about `level` (at least 2 level - 1 is proved).
With one fold this is split-conformal prediction, for which `level` itself is proved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.figure import LEVEL
from LesionLensLib.outcome.outcomes import Floats, Outcomes


@dataclass(frozen=True)
class Conformal:
    """Held-out probabilities, outcomes and folds (0..K-1) of the training patients, `(n,)` each.

    With `per_outcome` patients are compared with those of the supposed outcome only, which keeps the level for the
    rarer outcome too: without it, missed events may pay for well-predicted non-events.
    """

    probabilities: tuple[float, ...]
    labels: tuple[int, ...]
    folds: tuple[int, ...]
    per_outcome: bool = True

    @classmethod
    def of(cls, outcomes: Outcomes, folds: Sequence[int], per_outcome: bool = True) -> Conformal:
        """Keep the held-out probabilities (scores of `outcomes`) with the fold that held each case out."""
        numbers, index = np.unique(np.asarray(folds), return_inverse=True)
        if index.size != outcomes.cases:
            raise UserError("A case has no fold.", "Give the fold that held out each case.")
        if not np.array_equal(numbers, np.arange(numbers.size)):
            raise UserError("The folds are not numbered from 0.", "Number the folds 0, 1, 2 and so on.")
        return cls(tuple(outcomes.scores.tolist()), tuple(outcomes.labels.tolist()), tuple(index.tolist()), per_outcome)

    def p_values(self, fold_probabilities: ArrayLike) -> tuple[float, float]:
        """Return how well a new patient fits outcome 0 and outcome 1, from what the K models say, `(K,)`.

        It is (1 + the number of training patients who fit no better) / (1 + their number). Raises `UserError` where
        there is not one probability a fold.
        """
        said = np.asarray(fold_probabilities, dtype=np.float64).ravel()
        if said.size != max(self.folds) + 1:
            raise UserError(
                f"There are {said.size} predictions for {max(self.folds) + 1} folds.", "Use the model of every fold."
            )
        return self._p_value(said, 0), self._p_value(said, 1)

    def outcomes_left(self, fold_probabilities: ArrayLike, level: float = LEVEL) -> tuple[int, ...]:
        """Return the outcomes that cannot be excluded at `level`: (), (0,), (1,) or (0, 1)."""
        p_values = self.p_values(fold_probabilities)
        return tuple(outcome for outcome in (0, 1) if p_values[outcome] > 1 - level + 1e-12)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "probabilities": list(self.probabilities),
            "labels": list(self.labels),
            "folds": list(self.folds),
            "per_outcome": self.per_outcome,
        }

    @classmethod
    def from_dict(cls, record: object) -> Conformal:
        """Read what `to_dict` wrote; raises `UserError` where it is something else."""
        if not isinstance(record, Mapping) or not isinstance(record.get("per_outcome"), bool):
            raise UserError("The conformal part of the model is wrong.", "Get the model again.")
        try:
            outcomes = Outcomes.of(record["labels"], record["probabilities"])
            return cls.of(outcomes, [int(fold) for fold in record["folds"]], record["per_outcome"])
        except (KeyError, TypeError, ValueError) as error:
            raise UserError("The conformal part of the model is wrong.", "Get the model again.", str(error)) from error

    def _p_value(self, said: Floats, outcome: int) -> float:
        labels, held_out = np.array(self.labels), np.array(self.probabilities)
        theirs = np.where(labels == 1, held_out, 1 - held_out)
        mine = (said if outcome == 1 else 1 - said)[np.array(self.folds)]
        compared = labels == outcome if self.per_outcome else np.ones(labels.size, dtype=bool)
        fit_no_better = theirs[compared] <= mine[compared] + 1e-12
        return float((1 + fit_no_better.sum()) / (1 + compared.sum()))
