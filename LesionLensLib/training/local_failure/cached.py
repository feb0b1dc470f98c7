"""The lesions of a brain training through the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from LesionLensLib.geometry import Grid
from LesionLensLib.inference.brain_lesion_input import LesionBox
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.case_cache import CaseCache, Entry, key_of
from LesionLensLib.training.local_failure.cases import LesionCase, columns_of, read_cases
from LesionLensLib.training.local_failure.recipe import LocalFailureRecipe


def cached_cases(
    rows: Sequence[ManifestRow], recipe: LocalFailureRecipe, margin: int, cache: CaseCache
) -> Iterator[LesionCase]:
    """Yield `read_cases` of the same arguments; what `cache` has kept is not made.

    Of neighbouring rows that lack, those of one brain still share its normalisation.
    """
    if cache.folder is None:
        yield from read_cases(rows, recipe, margin)
        return
    making = _Making(recipe, margin)
    settings = {"roles": list(recipe.roles), "reference": recipe.reference_role, "size": recipe.field_of_view.size,
                "spacing_mm": recipe.spacing_mm, "normalization": recipe.normalization, "margin": margin}  # fmt: skip
    for number, row in enumerate(rows):
        key = key_of("local-failure", row, columns_of(row, recipe), settings)
        entry = cache.entry(row.case, key, lambda at=number: making.entry(rows[at:]))  # type: ignore[misc]
        yield LesionCase(row.case, row.patient, int(row.label), margin, _box(entry, recipe.roles))


class _Making:
    """Reads rows one after another; goes on with the brain at hand where the next row wanted is the next one read."""

    def __init__(self, recipe: LocalFailureRecipe, margin: int) -> None:
        self.recipe, self.margin = recipe, margin
        self.coming: Iterator[LesionCase] = iter(())
        self.next_case = ""

    def entry(self, rows: Sequence[ManifestRow]) -> Entry:
        """Return the entry of the first of `rows`, which are all from there on."""
        if rows[0].case != self.next_case:
            self.coming = read_cases(rows, self.recipe, self.margin)
        case = next(self.coming)
        self.next_case = rows[1].case if len(rows) > 1 else ""
        return _entry(case)


def _entry(case: LesionCase) -> Entry:
    box = case.box
    arrays = {"images": box.images, "brain": box.brain, "center_ras": np.asarray(box.center_ras, np.float64)}
    if box.lesion is not None:
        arrays["lesion"] = box.lesion
    return Entry(arrays, {"grid": box.grid.to_dict(), "volume_ml": box.volume_ml})


def _box(entry: Entry, roles: Sequence[str]) -> LesionBox:
    arrays = entry.arrays
    return LesionBox(
        tuple(roles), arrays["images"], arrays["brain"], arrays.get("lesion"), Grid.from_dict(entry.record["grid"]),
        arrays["center_ras"], entry.record["volume_ml"],
    )  # fmt: skip
