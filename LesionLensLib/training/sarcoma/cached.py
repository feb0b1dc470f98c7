"""The patients of a sarcoma training through the cache."""

from __future__ import annotations

from collections.abc import Sequence

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.inference.field_of_view import FieldOfView
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.case_cache import CaseCache, Entry, key_of
from LesionLensLib.training.outcome.parts import TEST
from LesionLensLib.training.sarcoma.cases import REFERENCE, OutcomeCase, read_case


def cached_case(
    row: ManifestRow, roles: Sequence[str], view: FieldOfView, margin: int, cache: CaseCache
) -> OutcomeCase:
    """Return `read_case` of the same arguments, which is made only where `cache` has not kept it."""
    if cache.folder is None:
        return read_case(row, roles, view, margin)
    settings = {"roles": list(roles), "size": view.size, "spacing_mm": view.spacing_mm, "margin": margin}
    key = key_of("sarcoma", row, tuple(dict.fromkeys((REFERENCE, "lesion", *roles))), settings)
    entry = cache.entry(row.case, key, lambda: _entry(read_case(row, roles, view, margin)))
    arrays, grids = entry.arrays, {name: Grid.from_dict(entry.record[name]) for name in ("grid", "truth_grid")}
    truth = Volume(arrays["truth"], grids["truth_grid"])
    return OutcomeCase(
        row.case, row.patient, int(row.label), row.split == TEST, tuple(roles), arrays["images"], arrays["tumour"],
        grids["grid"], truth, arrays["seen"],
    )  # fmt: skip


def _entry(case: OutcomeCase) -> Entry:
    arrays = {"images": case.images, "tumour": case.tumour, "truth": case.truth.array, "seen": case.seen}
    return Entry(arrays, {"grid": case.grid.to_dict(), "truth_grid": case.truth.grid.to_dict()})
