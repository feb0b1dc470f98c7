"""Real brains through the cache: of all that a segmentation training reads they take the longest to prepare."""

from __future__ import annotations

from collections.abc import Sequence

from LesionLensLib.geometry import Grid
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.brain import CHANNELS, Brain
from LesionLensLib.training.case_cache import CaseCache, Entry, from_my_place, key_of
from LesionLensLib.training.sources import SPACING_MM, read_brain
from LesionLensLib.training.team import Team

_COLUMNS = (*CHANNELS, "brain", "lesion", "suspect", "T1_transform", "T2_transform")
_MASKS = ("brain", "tissue", "suspect", "lesion")


def cached_brain(row: ManifestRow, cache: CaseCache) -> Brain:
    """Return `read_brain(row)`, which is made only where `cache` has not kept it."""
    if cache.folder is None:
        return read_brain(row)
    key = key_of("brain", row, _COLUMNS, {"spacing_mm": SPACING_MM})
    entry = cache.entry(row.case, key, lambda: _entry(read_brain(row)))
    masks = {name: entry.arrays.get(name) for name in _MASKS}
    grid = Grid.from_dict(entry.record["grid"])
    return Brain(row.case, row.patient, entry.arrays["channels"], grid, **masks)  # type: ignore[arg-type]


def fill_with_brains(cache: CaseCache, rows: Sequence[ManifestRow], team: Team) -> None:
    """Prepare the brains of a segmentation training where several processes can do it together."""
    if cache.folder is None or team.size == 1:
        return
    imaged = [row for row in rows if row.split != "test" and row.has(*CHANNELS, "brain")]
    for row in from_my_place(imaged, team):
        cached_brain(row, cache)


def _entry(brain: Brain) -> Entry:
    masks = {name: getattr(brain, name) for name in _MASKS}
    arrays = {name: mask for name, mask in masks.items() if mask is not None}
    return Entry({"channels": brain.channels, **arrays}, {"grid": brain.grid.to_dict()})
