"""The files below a folder, listed once, and what their names say."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from LesionLensLib.cohort.importers.found import Unusable
from LesionLensLib.errors import UserError

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
IMAGE = r"(?:nii\.gz|nii|nrrd|mha)"
"""The suffixes of images as part of a regular expression."""


class Tree:
    """The files below `root`, as sorted paths relative to it; hidden ones, such as macOS's `._name`, do not count.

    Raises `UserError` where the folder does not exist or holds no file.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).absolute()
        if not self.root.is_dir():
            raise UserError(f"There is no folder {self.root.name}.", "Give the folder that holds the data set.")
        found = []
        for folder, subfolders, names in os.walk(self.root):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            inside = Path(folder).relative_to(self.root)
            found += [(inside / name).as_posix() for name in names if not name.startswith(".")]
        if not found:
            raise UserError(f"The folder {self.root.name} is empty.", "Give the folder that holds the data set.")
        self.files: tuple[str, ...] = tuple(sorted(found))

    def path(self, relative: str) -> Path:
        """Return the whole path of a file of the tree."""
        return self.root / relative

    def matches(self, pattern: str) -> list[re.Match[str]]:
        """Return the match of every relative path that `pattern` fits, from the first folder on where it can."""
        compiled = re.compile(rf"(?:^|.*?/){pattern}$", re.IGNORECASE)
        return [match for match in map(compiled.match, self.files) if match]

    def holds(self, pattern: str) -> bool:
        """Return whether some relative path fits `pattern`, as in `matches`."""
        return bool(self.matches(pattern))

    def image_folders(self) -> dict[str, list[str]]:
        """Return the images of every folder that holds some, by the relative path of the folder."""
        folders: dict[str, list[str]] = {}
        for file in self.files:
            if image_stem(file) is not None:
                folders.setdefault(str(PurePosixPath(file).parent), []).append(file)
        return folders


def image_stem(file: str) -> str | None:
    """Return the name of an image without folder and suffix, or None for another file."""
    name = PurePosixPath(file).name
    for suffix in IMAGE_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return None


def by_ending(files: Iterable[str], endings: Mapping[str, str]) -> dict[str, str]:
    """Return the file of each role whose name is, or ends after `_` or `-` in, one of `endings`; the longest counts.

    `BraTS-seg` is thus never taken for a `seg`. The same name with two suffixes is one image; raises
    `Unusable` for two names of one role.
    """
    chosen: dict[str, str] = {}
    for file in files:
        stem = (image_stem(file) or "").lower()
        for ending in sorted(endings, key=len, reverse=True):
            if re.search(rf"(?:^|[_-]){re.escape(ending.lower())}$", stem):
                role = endings[ending]
                if role in chosen and (image_stem(chosen[role]) or "").lower() != stem:
                    raise Unusable(f"two files may be the {role}: {_name(chosen[role])} and {_name(file)}")
                chosen.setdefault(role, file)
                break
    return chosen


def split_of(file: str) -> str:
    """Return the split that the folders of a file speak of: train, test, validation, or none."""
    for part in reversed(PurePosixPath(file).parts[:-1]):
        for word, split in (("train", "train"), ("test", "test"), ("valid", "validation")):
            if word in part.lower():
                return split
    return ""


def _name(file: str) -> str:
    return PurePosixPath(file).name
