"""MSSEG-2: FLAIR of multiple sclerosis at two times, with the lesions that are new at the second.

Layout: `training/013/{flair_time01_on_middle_space,flair_time02_on_middle_space,ground_truth}.nii.gz` and
`ground_truth_expert1` to `4`; portal.fli-iam.irisa.fr/msseg-2 (Commowick et al., MICCAI 2021).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from LesionLensLib.cohort.importers.found import Found, FoundCase, ImportOptions, Made, Unusable, collect
from LesionLensLib.cohort.importers.made import LabelMask
from LesionLensLib.cohort.importers.tree import IMAGE, Tree, by_ending, split_of

_ENDINGS = {
    "flair_time02_on_middle_space": "FLAIR", "flair_time01_on_middle_space": "FLAIR_before", "ground_truth": "suspect",
    "brain_mask": "brain",
}  # fmt: skip
_FILE = rf"([^/]+)/({'|'.join(_ENDINGS)})\.{IMAGE}"


def fits(tree: Tree) -> bool:
    """Return whether the tree holds a FLAIR on the middle space of two."""
    return tree.holds(rf"flair_time0[12]_on_middle_space\.{IMAGE}")


def find(tree: Tree, options: ImportOptions) -> Found:
    """Return the patients; the new lesions are `suspect`, not `lesion`: the old ones are marked by nobody."""
    folders: dict[str, list[str]] = {}
    for match in tree.matches(_FILE):
        folders.setdefault(str(PurePosixPath(match[0]).parent), []).append(match[0])
    makers = [(PurePosixPath(f).name, partial(_case, tree, f, files)) for f, files in folders.items()]
    return collect(makers, ["The masks mark new lesions alone: they stand in the column suspect, and lesion is empty."])


def _case(tree: Tree, folder: str, files: list[str]) -> FoundCase:
    named = by_ending(files, _ENDINGS)
    if not {"FLAIR", "FLAIR_before"} <= named.keys():
        raise Unusable("one of the two FLAIR images is missing")
    paths: dict[str, Path | Made] = {role: tree.path(file) for role, file in named.items()}
    if "suspect" in named:
        paths["suspect"] = LabelMask(tree.path(named["suspect"]))
    name = PurePosixPath(folder).name
    return FoundCase(name, name, paths, split_of(files[0]))
