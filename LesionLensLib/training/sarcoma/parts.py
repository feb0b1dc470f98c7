"""The trainings that make up one row of the table: the folds, the model for the public test, the final model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from LesionLensLib.errors import UserError
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.outcome_folds import FoldPlan, make_folds
from LesionLensLib.training.sarcoma.cases import TEST

PUBLIC = "public"
FINAL = "final"


@dataclass(frozen=True)
class Part:
    """One training: the cases it learns from and those it is judged on, by name."""

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]


def plan_folds(rows: Sequence[ManifestRow], folds: int, seed: int) -> FoldPlan | None:
    """Return the folds over the patients of all splits, stratified by outcome; None for no cross-validation."""
    if folds == 0:
        return None
    return make_folds([row.patient for row in rows], [int(row.label) for row in rows], folds, seed)


def plan_parts(rows: Sequence[ManifestRow], plan: FoldPlan | None) -> tuple[Part, ...]:
    """Return the parts in the order in which they are trained; `rows` are labelled.

    The folds take in the cases of the test split as well, as the paper's protocol has it. "public" never sees them and
    is judged on them alone; it is left out where there are none. "final" learns from everyone and is judged on none.
    """
    everyone = tuple(row.case for row in rows)
    parts = []
    if plan is not None:
        held_out = plan.fold_of([row.patient for row in rows])
        for fold in range(len(plan.folds)):
            test = tuple(row.case for row, out in zip(rows, held_out, strict=True) if out == fold)
            parts.append(Part(f"fold-{fold}", tuple(case for case in everyone if case not in test), test))
    tested = {row.patient for row in rows if row.split == TEST}
    if tested:
        # A patient with cases in both splits is kept out altogether.
        learned = tuple(row.case for row in rows if row.patient not in tested)
        parts.append(Part(PUBLIC, learned, tuple(row.case for row in rows if row.split == TEST)))
    return (*parts, Part(FINAL, everyone, ()))


def choose_parts(parts: Sequence[Part], names: Sequence[str]) -> tuple[Part, ...]:
    """Return the parts called `names`, all for no names; raises `UserError` for a name that is not known."""
    known = {part.name: part for part in parts}
    for name in names:
        if name not in known:
            raise UserError(f"There is no part {name} of the training.", f"Use one of: {', '.join(known)}.")
    return tuple(known[name] for name in names) if names else tuple(parts)
