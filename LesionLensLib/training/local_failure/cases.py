"""The lesions of a training in memory: the box around each, with room to move, and the outcome."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from LesionLensLib.images import read_volume
from LesionLensLib.images.lesion_mask import read_lesion_mask
from LesionLensLib.inference.brain_lesion_input import LesionBox, lesion_box, score_brain
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.local_failure.recipe import LocalFailureRecipe

REFERENCE = "T1c"
COLUMNS = (REFERENCE, "brain", "lesion")


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


def read_cases(rows: Sequence[ManifestRow], recipe: LocalFailureRecipe, margin: int) -> Iterator[LesionCase]:
    """Yield the cases of labelled rows; neighbouring rows of one brain share its normalisation.

    Raises `UserError` as the readers of the files do.
    """
    roles = recipe.roles
    for _, group in groupby(rows, key=lambda row: [row.files[name] for name in (REFERENCE, "brain", *roles)]):
        together = list(group)
        volumes = {role: read_volume(together[0].files[role]) for role in dict.fromkeys((REFERENCE, *roles))}
        brain = read_volume(together[0].files["brain"])
        scores = score_brain(volumes, roles, REFERENCE, brain, recipe.spacing_mm, recipe.normalization)
        for row in together:
            lesion = read_lesion_mask(row.files["lesion"], volumes[REFERENCE])
            box = lesion_box(scores, recipe.field_of_view, lesion, margin=margin)
            yield LesionCase(row.case, row.patient, int(row.label), margin, box)
