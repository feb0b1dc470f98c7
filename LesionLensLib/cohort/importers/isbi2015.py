"""ISBI 2015 longitudinal multiple sclerosis: 5 training patients with 21 scans, marked by two raters.

Layout: `training/training01/{orig,preprocessed,masks}/training01_01_{flair,mprage,pd,t2}[_pp].nii`, `_mask1.nii` and
`_mask2.nii`, test patients alike without masks; Carass et al., NeuroImage 148, 2017
(doi 10.1016/j.neuroimage.2016.12.064).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from LesionLensLib.cohort.importers.found import Found, FoundCase, ImportOptions, Made, Unusable, collect
from LesionLensLib.cohort.importers.made import LabelMask
from LesionLensLib.cohort.importers.tree import IMAGE, Tree

_ROLES = {"mprage": "T1", "t2": "T2", "flair": "FLAIR", "pd": "PD"}
_MASKS = {"mask1": "lesion", "mask2": "lesion_rater2"}
_FILE = rf"((training|test)\d+)_(\d+)_({'|'.join([*_ROLES, *_MASKS])})(_pp)?\.{IMAGE}"


def fits(tree: Tree) -> bool:
    """Return whether the tree holds scans named `training01_01_mprage` or alike."""
    return tree.holds(rf"(training|test)\d+_\d+_(mprage|flair)(_pp)?\.{IMAGE}")


def find(tree: Tree, options: ImportOptions) -> Found:
    """Return the scans, preprocessed where they are; `lesion` is the first rater's, `lesion_rater2` the second's.

    The masks lie in the space of the preprocessed images, so the original ones alone come without.
    """
    scans: dict[tuple[str, str], dict[str, str]] = {}
    for match in tree.matches(_FILE):
        scans.setdefault((match[1].lower(), match[3]), {})[match[4].lower() + (match[5] or "").lower()] = match[0]
    makers = [(f"{patient}_{scan}", partial(_case, tree, patient, scan, f)) for (patient, scan), f in scans.items()]
    remarks = ["lesion is the mask of the first rater, lesion_rater2 that of the second."]
    if any(not _preprocessed(files) for files in scans.values()):
        remarks.append("Scans without preprocessed images have no lesion: the masks lie in the space of those.")
    return collect(makers, remarks)


def _preprocessed(files: Mapping[str, str]) -> bool:
    return any(f"{name}_pp" in files for name in _ROLES)


def _case(tree: Tree, patient: str, scan: str, files: Mapping[str, str]) -> FoundCase:
    ending = "_pp" if _preprocessed(files) else ""
    images = {role: files[name + ending] for name, role in _ROLES.items() if name + ending in files}
    if not images:
        raise Unusable("there are masks and no image")
    paths: dict[str, Path | Made] = {role: tree.path(file) for role, file in images.items()}
    for name, role in _MASKS.items():
        if name in files and ending:
            paths[role] = LabelMask(tree.path(files[name]))
    return FoundCase(f"{patient}_{scan}", patient, paths, "train" if patient.startswith("train") else "test")
