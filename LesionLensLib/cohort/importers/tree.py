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

    Links to folders are followed, as shared disks hold data sets, but never around in a circle. Raises `UserError`
    where the folder does not exist or holds no file.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).absolute()
        if not self.root.is_dir():
            raise UserError(f"There is no folder {self.root.name}.", "Give the folder that holds the data set.")
        found, folders = [], []
        for folder, subfolders, names in os.walk(self.root, followlinks=True):
            above = [Path(folder), *Path(folder).parents]
            subfolders[:] = sorted(n for n in subfolders if not n.startswith(".") and not _leads_back(above, n))
            inside = Path(folder).relative_to(self.root)
            folders.append(inside.as_posix())
            found += [(inside / name).as_posix() for name in names if not name.startswith(".")]
        if not found:
            raise UserError(f"The folder {self.root.name} is empty.", "Give the folder that holds the data set.")
        self.files: tuple[str, ...] = tuple(sorted(found))
        self.folders: tuple[str, ...] = tuple(sorted(folder for folder in folders if folder != "."))
        self._matched: set[str] = set()

    def path(self, relative: str) -> Path:
        """Return the whole path of a file of the tree."""
        return self.root / relative

    def matches(self, pattern: str) -> list[re.Match[str]]:
        """Return the match of every relative path that `pattern` fits, from the first folder on where it can."""
        compiled = re.compile(rf"(?:^|.*?/){pattern}$", re.IGNORECASE)
        found = [match for match in map(compiled.match, self.files) if match]
        self._matched.update(match[0] for match in found)
        return found

    def holds(self, pattern: str) -> bool:
        """Return whether some relative path fits `pattern`, as in `matches`."""
        return bool(self.matches(pattern))

    def overlooked(self) -> list[tuple[str, str]]:
        """Return each folder named like one beside it that matched, and in which nothing did, and what is wrong.

        Names are alike where they differ in numbers alone: a case without files is known by its folder.
        """
        used = {parent for file in self._matched for parent in _parents(file)}
        kinds = {_kind(folder) for folder in used}
        beside = [f for f in self.folders if f not in used and _kind(f) in kinds and re.search(r"\d", _name(f))]
        holding = {parent for file in self.files for parent in _parents(file)}
        return [(f, "no file in its folder is named as it should be" if f in holding else "its folder is empty")
                for f in beside]  # fmt: skip

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


def _parents(file: str) -> list[str]:
    return [str(parent) for parent in PurePosixPath(file).parents][:-1]


def _kind(folder: str) -> tuple[str, str]:
    """Return the parent and the name with every number, decimal or hexadecimal, made the same."""
    path = PurePosixPath(folder)
    return str(path.parent), re.sub(r"[0-9a-f]*\d[0-9a-f]*", "0", path.name, flags=re.IGNORECASE)


def _leads_back(above: Iterable[Path], name: str) -> bool:
    """Whether a folder of that name in the first of `above` is a link to one of them."""
    folders = list(above)
    path = folders[0] / name
    return path.is_symlink() and any(path.samefile(folder) for folder in folders)
