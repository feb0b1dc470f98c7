"""Preprocessed cases are kept by what they were made from, made again where they are damaged or another's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import brain_lesion_cases
import numpy as np
import pytest
import sarcoma_cases
import SimpleITK as sitk
from test_local_failure_training import RECIPE as BRAIN_RECIPE
from test_outcome_training import RECIPE as SARCOMA_RECIPE

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.phantom import write_head_phantom
from LesionLensLib.training import sources_cached
from LesionLensLib.training.brain import Brain
from LesionLensLib.training.case_cache import NO_CACHE, CaseCache, Entry, from_my_place, key_of
from LesionLensLib.training.local_failure import cached as brain_cached
from LesionLensLib.training.local_failure.kind import LocalFailureKind
from LesionLensLib.training.sarcoma import cached as sarcoma_cached
from LesionLensLib.training.sarcoma.kind import SarcomaKind
from LesionLensLib.training.team import Team

REPOSITORY = Path(__file__).resolve().parents[2]


class Maker:
    """Makes an entry, and counts how often it was asked to."""

    def __init__(self, value: float) -> None:
        self.value, self.calls = value, 0

    def __call__(self) -> Entry:
        self.calls += 1
        arrays = {"image": np.full((2, 3), self.value, np.float32), "mask": np.eye(3, dtype=bool)}
        return Entry(arrays, {"volume_ml": self.value})


def same(one: Any, other: Any) -> bool:
    """Whether two cases hold the same, array by array."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, Grid):
        return one == other
    if isinstance(one, Volume):
        return same(one.array, other.array) and one.grid == other.grid
    if hasattr(one, "__dataclass_fields__"):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    return bool(one == other)


def test_an_entry_is_made_once_and_read_back_as_it_was(tmp_path: Path) -> None:
    cache, maker = CaseCache(tmp_path / "cache"), Maker(3.5)
    first, again = (cache.entry("a case/1", "k" * 64, maker) for _ in range(2))
    assert maker.calls == 1
    assert again.record == {"volume_ml": 3.5}
    assert again.arrays.keys() == first.arrays.keys()
    assert all(same(value, again.arrays[name]) for name, value in first.arrays.items())
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [f"a_case_1-{'k' * 24}.safetensors"]
    NO_CACHE.entry("a case/1", "k" * 64, maker)
    assert maker.calls == 2


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


def _pickle(path: Path) -> None:
    path.write_bytes(b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07ouch...\x94.")


@pytest.mark.parametrize("damage", [_cut, _flip, _pickle, lambda path: path.write_bytes(b"")])
def test_a_damaged_entry_is_made_again_and_then_kept(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    cache, maker = CaseCache(tmp_path), Maker(1.0)
    cache.entry("case", "k" * 64, maker)
    damage(next(tmp_path.iterdir()))
    assert float(cache.entry("case", "k" * 64, maker).arrays["image"][0, 0]) == 1.0
    assert maker.calls == 2
    cache.entry("case", "k" * 64, maker)
    assert maker.calls == 2


def test_an_entry_under_the_name_of_another_is_not_taken_for_it(tmp_path: Path) -> None:
    cache, wrong, right = CaseCache(tmp_path), Maker(1.0), Maker(2.0)
    cache.entry("case", "a" * 64, wrong)
    (tmp_path / f"case-{'a' * 24}.safetensors").rename(tmp_path / f"case-{'b' * 24}.safetensors")
    assert float(cache.entry("case", "b" * 64, right).arrays["image"][0, 0]) == 2.0
    assert right.calls == 1


def test_a_folder_that_cannot_be_written_costs_time_and_not_the_training(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    cache, maker = CaseCache(tmp_path / "cache"), Maker(4.0)
    for _ in range(2):
        assert float(cache.entry("case", "k" * 64, maker).arrays["image"][0, 0]) == 4.0
    assert maker.calls == 2


def test_the_key_follows_bytes_and_settings_and_not_paths(tmp_path: Path) -> None:
    (tmp_path / "one.nii").write_bytes(b"one")
    (tmp_path / "copy.nii").write_bytes(b"one")
    (tmp_path / "other.nii").write_bytes(b"other")
    rows = {name: ManifestRow("c", "p", files={"T1": tmp_path / f"{name}.nii"}) for name in ("one", "copy", "other")}
    base = key_of("brain", rows["one"], ("T1", "T2"), {"spacing": 1.0})
    assert key_of("brain", rows["copy"], ("T1", "T2"), {"spacing": 1.0}) == base
    assert key_of("brain", rows["other"], ("T1", "T2"), {"spacing": 1.0}) != base
    assert key_of("brain", rows["one"], ("T1", "T2"), {"spacing": 2.0}) != base
    assert key_of("sarcoma", rows["one"], ("T1", "T2"), {"spacing": 1.0}) != base
    (tmp_path / "one.nii").write_bytes(b"changed")
    assert key_of("brain", rows["one"], ("T1", "T2"), {"spacing": 1.0}) != base


def test_two_processes_that_keep_the_same_at_once_leave_one_whole_entry(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from LesionLensLib.training.case_cache import CaseCache, Entry\n"
        "cache = CaseCache(Path(sys.argv[1]))\n"
        "for n in range(40):\n"
        "    entry = cache.entry('case', f'{n % 4}' * 64, lambda n=n: Entry({'x': np.full(90000, n % 4)}, {}))\n"
        "    assert (entry.arrays['x'] == n % 4).all()\n"
        "    for path in list(Path(sys.argv[1]).glob('*.safetensors'))[: n % 3 == 0]: path.unlink(missing_ok=True)\n"
    )
    run = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY) for _ in range(2)]
    assert [process.wait(120) for process in run] == [0, 0]
    assert list(tmp_path.glob(".*")) == []


def test_processes_begin_at_different_places_and_reach_everything() -> None:
    assert [from_my_place(range(5), Team(rank, 2)) for rank in range(2)] == [[0, 1, 2, 3, 4], [2, 3, 4, 0, 1]]
    assert from_my_place([], Team(1, 2)) == []


def _counted(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[int]:
    """Count how many rows the reader behind the cache is asked for."""
    counts: list[int] = []
    plain = getattr(module, name)

    def read(first: Any, *more: Any) -> Any:
        counts.append(1)
        return plain(first, *more)

    monkeypatch.setattr(module, name, read)
    return counts


def test_patients_of_a_sarcoma_training_are_the_same_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = sarcoma_cases.write_patients(tmp_path / "patients", 4)
    kind, cache = SarcomaKind(), CaseCache(tmp_path / "cache")
    plain = kind.read_cases(SARCOMA_RECIPE, rows)
    counts = _counted(monkeypatch, sarcoma_cached, "read_case")
    for _ in range(2):
        kept = kind.read_cases(SARCOMA_RECIPE, rows, cache)
        assert list(kept) == [row.case for row in rows]
        assert all(same(plain[name], case) for name, case in kept.items())
    assert len(counts) == 4
    kind.read_cases(replace(SARCOMA_RECIPE, spacing_mm=8.0), rows, cache)
    assert len(counts) == 8, "other settings are other entries"
    relabelled = [replace(row, label="1", patient="someone") for row in rows[:1]]
    case = kind.read_cases(SARCOMA_RECIPE, relabelled, cache)[rows[0].case]
    assert (case.outcome, case.patient, len(counts)) == (1, "someone", 8)


def test_lesions_of_a_brain_training_are_the_same_from_the_cache_and_share_a_brain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = brain_lesion_cases.write_patients(tmp_path / "brains", 4, 0)
    kind, cache = LocalFailureKind(), CaseCache(tmp_path / "cache")
    plain = kind.read_cases(BRAIN_RECIPE, rows)
    scored = _counted(monkeypatch, sys.modules["LesionLensLib.training.local_failure.cases"], "score_brain")
    begun = _counted(monkeypatch, brain_cached, "read_cases")
    kept = kind.read_cases(BRAIN_RECIPE, rows, cache)
    assert (len(rows), len(scored), len(begun)) == (5, 4, 1), "the two lesions of one brain share it"
    assert all(same(plain[name], case) for name, case in kept.items())
    (tmp_path / "cache").glob(f"{rows[1].case}-*").__next__().unlink()
    again = kind.read_cases(BRAIN_RECIPE, rows, cache)
    assert (len(scored), len(begun)) == (5, 2), "only what is missing is made"
    assert all(same(plain[name], case) for name, case in again.items())


def test_a_brain_of_a_segmentation_training_is_the_same_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_head_phantom(tmp_path, 1, small=True)
    for path in tmp_path.glob("*.nii.gz"):
        image = sitk.ReadImage(str(path))
        size = np.array(image.GetSize())
        lower = (size * 0.4).astype(int)
        sitk.WriteImage(sitk.RegionOfInterest(image, (size - 2 * lower).tolist(), lower.tolist()), str(path))
    files = {role: tmp_path / f"{role}.nii.gz" for role in ("T1", "T2", "FLAIR", "brain")}
    plain = sources_cached.cached_brain(ManifestRow("c", "p", files=files), NO_CACHE)
    counts, cache = _counted(monkeypatch, sources_cached, "read_brain"), CaseCache(tmp_path / "cache")
    for _ in range(2):
        kept = sources_cached.cached_brain(ManifestRow("c", "p", files=files), cache)
        assert isinstance(kept, Brain)
        assert kept.lesion is None
        assert same(plain, kept)
    labelled = ManifestRow("c", "p", files={**files, "lesion": tmp_path / "lesion.nii.gz"})
    assert sources_cached.cached_brain(labelled, cache).lesion is not None
    assert len(counts) == 2
