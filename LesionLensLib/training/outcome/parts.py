"""The trainings that make up one row of the table: folds, and whatever else is trained beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from LesionLensLib.errors import UserError
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.outcome_folds import FoldPlan, make_folds

TEST = "test"
"""The split of a manifest that nothing is chosen on."""

PUBLIC = "public"
FINAL = "final"
_FOLD = "fold-"


@dataclass(frozen=True)
class Part:
    """One training: the cases it learns from and those it is judged on, by name.

    What it says about cases `beside` them is written down as well: those it learned from, or those kept for the end.
    """

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    beside: tuple[str, ...] = ()

    @property
    def is_fold(self) -> bool:
        """Whether the part is a fold of the cross-validation."""
        return self.name.startswith(_FOLD)

    @property
    def fold(self) -> str:
        """The number of the fold, or the name of another part."""
        return self.name.removeprefix(_FOLD)


def plan_folds(rows: Sequence[ManifestRow], folds: int, seed: int) -> FoldPlan | None:
    """Return folds over the patients of `rows`, stratified by outcome; None for no cross-validation."""
    if folds == 0:
        return None
    return make_folds([row.patient for row in rows], [int(row.label) for row in rows], folds, seed)


def fold_parts(rows: Sequence[ManifestRow], plan: FoldPlan | None) -> tuple[Part, ...]:
    """Return one part a fold: it learns from the `rows` of all others."""
    if plan is None:
        return ()
    held_out = plan.fold_of([row.patient for row in rows])
    parts = []
    for fold in range(len(plan.folds)):
        test = tuple(row.case for row, out in zip(rows, held_out, strict=True) if out == fold)
        parts.append(Part(f"{_FOLD}{fold}", tuple(row.case for row in rows if row.case not in test), test))
    return tuple(parts)


def plan_parts(rows: Sequence[ManifestRow], plan: FoldPlan | None) -> tuple[Part, ...]:
    """Return the parts in the order in which they are trained; `rows` are labelled.

    The folds take in the cases of the test split as well, as the paper's protocol has it. "public" never sees them and
    is judged on them alone; it is left out where there are none. "final" learns from everyone and is judged on none.
    """
    parts = list(fold_parts(rows, plan))
    tested = {row.patient for row in rows if row.split == TEST}
    if tested:
        # A patient with cases in both splits is kept out altogether.
        learned = tuple(row.case for row in rows if row.patient not in tested)
        parts.append(Part(PUBLIC, learned, tuple(row.case for row in rows if row.split == TEST)))
    return (*parts, Part(FINAL, tuple(row.case for row in rows), ()))


def choose_parts(parts: Sequence[Part], names: Sequence[str]) -> tuple[Part, ...]:
    """Return the parts called `names`, all for no names; raises `UserError` for a name that is not known."""
    known = {part.name: part for part in parts}
    for name in names:
        if name not in known:
            raise UserError(f"There is no part {name} of the training.", f"Use one of: {', '.join(known)}.")
    return tuple(known[name] for name in names) if names else tuple(parts)
