"""Preprocessed inputs of a training, kept so that a resumed run, another fold or another process need not make them.

An entry is one safetensors file under the hash of what it was made from: the bytes of the inputs, the settings, the
versions of what computes. An entry that is damaged, or is not what its name says, is made again. Processes may share
the folder: an entry appears whole or not at all, and two that make the same one write the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from LesionLensLib import __version__
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.report import hash_of
from LesionLensLib.training.team import Team

CACHE_FOLDER = "cache"
FORMAT = 1
_COMPUTING = ("numpy", "scipy", "SimpleITK")
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Entry:
    """Arrays by name, and what else there is to know as JSON values."""

    arrays: Mapping[str, NDArray[Any]]
    record: Mapping[str, Any]


@dataclass(frozen=True)
class CaseCache:
    """The entries in `folder`; without one nothing is kept."""

    folder: Path | None = None

    def entry(self, name: str, key: str, make: Callable[[], Entry]) -> Entry:
        """Return what was kept for `key`, or make it and keep it; `name` is for people who look into the folder."""
        if self.folder is None:
            return make()
        path = self.folder / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)[:80]}-{key[:24]}.safetensors"
        kept = _read(path, key)
        if kept is None:
            kept = make()
            _write(kept, path, key)
        return kept


NO_CACHE = CaseCache()


def key_of(kind: str, row: ManifestRow, columns: Sequence[str], settings: Mapping[str, Any]) -> str:
    """Return the hash that stands for `columns` of a row, those that it has, preprocessed with `settings`."""
    inputs = {column: _hash(row.files[column]) for column in columns if row.has(column)}
    versions = {name: version(name) for name in _COMPUTING}
    record = {"format": FORMAT, "kind": kind, "tool": __version__, "versions": versions, "inputs": inputs,
              "settings": dict(settings)}  # fmt: skip
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _hash(path: Path) -> str:
    """Return `hash_of(path)`; lesions of one brain name the same files, which are read once."""
    return _hash_of_file(path, path.stat().st_mtime_ns) if path.is_file() else hash_of(path)


@lru_cache(maxsize=1024)
def _hash_of_file(path: Path, changed_ns: int) -> str:
    return hash_of(path)


def from_my_place(items: Sequence[T], team: Team) -> list[T]:
    """Return `items` beginning at another place in every process, so that they fill a cache for each other."""
    first = len(items) * team.rank // team.size
    return [*items[first:], *items[:first]]


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype} {array.shape}".encode())
        total.update(array.data)
    return total.hexdigest()


def _read(path: Path, key: str) -> Entry | None:
    """Return the entry, or None where there is none, or it is damaged or another one's."""
    try:
        with safe_open(path, "np") as file:
            notes = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if notes["key"] != key or notes["content"] != _digest(arrays):
            return None
        return Entry(arrays, json.loads(notes["record"]))
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def _write(entry: Entry, path: Path, key: str) -> None:
    arrays = {name: np.ascontiguousarray(array) for name, array in entry.arrays.items()}
    notes = {"key": key, "content": _digest(arrays), "record": json.dumps(dict(entry.record))}
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(arrays, part, notes)
        part.replace(path)
    except (OSError, SafetensorError):
        # What is not kept is made again: a full disk costs time here, and must not cost the training.
        with suppress(OSError):
            part.unlink(missing_ok=True)
