"""In which order an outcome training sees its cases: endless shuffled rounds, place n known without those before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from LesionLensLib.errors import UserError


class CaseOrder:
    """Every case comes once before any comes again; with `balanced` that holds for either outcome, which take turns.

    Raises `UserError` where an outcome is missing.
    """

    def __init__(self, outcomes: Sequence[int], balanced: bool, seed: int) -> None:
        by_outcome = [[n for n, known in enumerate(outcomes) if known == outcome] for outcome in (0, 1)]
        if not all(by_outcome):
            raise UserError("All patients to train on have the same outcome.", "Add patients with the other outcome.")
        self.groups = by_outcome if balanced else [sorted(by_outcome[0] + by_outcome[1])]
        self.seed = seed

    def case_at(self, place: int) -> int:
        """Return the index of the case at a place of the endless sequence."""
        group = self.groups[place % len(self.groups)]
        turn, index = divmod(place // len(self.groups), len(group))
        order = np.random.default_rng((self.seed, 0, place % len(self.groups), turn)).permutation(len(group))
        return group[int(order[index])]
