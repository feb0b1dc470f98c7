"""The lesions of a training in memory: the box around each, with room to move, and the outcome."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby

from LesionLensLib.errors import UserError
from LesionLensLib.images import Volume, read_volume
from LesionLensLib.images.lesion_mask import read_lesion_mask
from LesionLensLib.inference.brain_lesion_input import LesionBox, lesion_box, score_brain
from LesionLensLib.inference.foreground import is_skull_stripped
from LesionLensLib.inference.outcome_input import brain_of
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.local_failure.recipe import LocalFailureRecipe

BRAIN, LESION = "brain", "lesion"


@dataclass(frozen=True, eq=False)
class LesionCase:
    """One lesion and its outcome (1: local failure); `box` is wider than the field of view by `margin` voxels."""

    case: str
    patient: str
    outcome: int
    margin: int
    box: LesionBox

    def view(self) -> LesionBox:
        """Return the field of view in the middle of the box, as prediction sees it."""
        m, box = self.margin, self.box
        if m == 0:
            return box
        inner = (slice(m, -m),) * 3
        outline = None if box.lesion is None else box.lesion[inner]
        grid = box.grid.cropped((m,) * 3, [n - 2 * m for n in box.grid.size])
        images = box.images[(slice(None), *inner)]
        return replace(box, images=images, brain=box.brain[inner], lesion=outline, grid=grid)


def columns_of(row: ManifestRow, recipe: LocalFailureRecipe) -> tuple[str, ...]:
    """Return the columns whose files `read_cases` reads of a row: that of the brain only where it is given."""
    wanted = (recipe.reference_role, *((BRAIN,) if row.has(BRAIN) else ()), LESION, *recipe.roles)
    return tuple(dict.fromkeys(wanted))


def read_cases(rows: Sequence[ManifestRow], recipe: LocalFailureRecipe, margin: int) -> Iterator[LesionCase]:
    """Yield the cases of labelled rows; neighbouring rows of one brain share its normalisation.

    A row without a brain mask has the brain that prediction would find. Raises `UserError` as the readers of the files
    do, and for a whole head where the card promises that the images are stripped.
    """
    roles, reference = recipe.roles, recipe.reference_role
    for _, group in groupby(rows, key=lambda row: [row.files.get(name) for name in (reference, BRAIN, *roles)]):
        together = list(group)
        with _naming(together[0].case):
            volumes = {role: read_volume(together[0].files[role]) for role in dict.fromkeys((reference, *roles))}
            brain = _brain(together[0], volumes[reference], recipe)
            scores = score_brain(volumes, roles, reference, brain, recipe.spacing_mm, recipe.normalization)
        for row in together:
            with _naming(row.case):
                lesion = read_lesion_mask(row.files[LESION], volumes[reference])
                box = lesion_box(scores, recipe.field_of_view, lesion, margin=margin)
            yield LesionCase(row.case, row.patient, int(row.label), margin, box)


@contextmanager
def _naming(case: str) -> Iterator[None]:
    """Name the case in an error: a table has many."""
    try:
        yield
    except UserError as error:
        raise UserError(f"Case {case}: {error.message}", error.remedy, error.detail) from error


def _brain(row: ManifestRow, reference: Volume, recipe: LocalFailureRecipe) -> Volume:
    if row.has(BRAIN):
        return read_volume(row.files[BRAIN])
    if recipe.card.get("expects_skull_stripped") and not is_skull_stripped(reference):
        raise UserError(
            f"The {recipe.reference_role} shows more than the brain, and the recipe's card promises stripped images.",
            f"Add a column {BRAIN} with the mask of the brain to the manifest, or strip the images.",
        )
    return brain_of(reference)
