"""open_ms_data: multiple sclerosis of Ljubljana, 30 patients once and 20 twice, each in several versions.

Layout: github.com/muschellij2/open_ms_data, `cross_sectional/{raw,coregistered,coregistered_resampled,MNI}/patient01/
{FLAIR,T1W,T1WKS,T2W,consensus_gt,brainmask}.nii.gz` and `longitudinal/{raw,coregistered}/patient01/
study{1,2}_{FLAIR,T1W,T2W}.nii.gz`, `gt.nii.gz`; some files carry the patient before their name. Licence CC-BY;
Lesjak et al., Neuroinformatics 2016 and 2017 (doi 10.1007/s12021-017-9348-7). T1WKS is the T1 after contrast agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from LesionLensLib.cohort.importers.found import Found, FoundCase, ImportOptions, Made, Unusable, collect
from LesionLensLib.cohort.importers.made import LabelMask
from LesionLensLib.cohort.importers.tree import IMAGE, Tree
from LesionLensLib.errors import UserError

SPACES = ("coregistered", "coregistered_resampled", "raw", "MNI")
"""The versions of the images; the first that is there is taken: all contrasts on the grid of the FLAIR."""

_ROLES = {"flair": "FLAIR", "t1w": "T1", "t1wks": "T1c", "t2w": "T2", "t1": "T1", "t1post": "T1c", "t2": "T2"}
_MARKS = {"consensus_gt": "lesion", "gold_standard": "lesion", "gt": "suspect", "brainmask": "brain"}
_HOME = rf"(?:({'|'.join(SPACES)})/)?(patient\d+)/(raw/)?(?:\2_)?(?:study(\d)_)?"
_END = rf"(?:reg|_N4_[^/]*regtoMNI)?\.{IMAGE}"
_FILE = rf"{_HOME}({'|'.join([*_ROLES, *_MARKS])}){_END}"
_TRANSFORM = rf"{_HOME}(t1w|t1wks|t2w)(?:_intrastudy)?_to_FLAIR\.txt"

Part = dict[tuple[str, str], dict[str, str]]
"""The files of a part of the data by role, by patient and study ("" for the only one, and for marks of both)."""


def fits(tree: Tree) -> bool:
    """Return whether the tree holds patients with a FLAIR or T1 named as there."""
    return tree.holds(rf"{_HOME}(FLAIR|T1W|T1){_END}")


def find(tree: Tree, options: ImportOptions) -> Found:
    """Return the scans in one version of the images; of two times, each is a case of the same patient.

    The masks of the longitudinal part mark what changed, so they are `suspect` and not `lesion`, and they lie in the
    common space, so they go with coregistered images alone. Raises `UserError` for a version that is not there.
    """
    once, twice = _parts(tree)
    transforms = {(m[2].lower(), m[4] or "", _ROLES[m[5].lower()]): tree.path(m[0]) for m in tree.matches(_TRANSFORM)}
    makers, remarks = [], []
    for prefix, versions in (("", once), ("longitudinal_", twice)):
        wanted = next((s for s in SPACES if s in versions and options.space.lower() in ("", s.lower())), None)
        if wanted is None:
            continue
        for patient, study in versions[wanted]:
            name = f"{prefix}{patient}" + (f"_study{study}" if study else "")
            if study or not prefix:
                make = partial(_case, tree, name, prefix, wanted, versions[wanted], (patient, study), transforms)
                makers.append((name, make))
        if len(versions) > 1:
            others = ", ".join(sorted(versions.keys() - {wanted}))
            remarks.append(f"Of several versions of the same images {wanted} was taken; --space can name {others}.")
    if not makers:
        there = ", ".join(sorted(once.keys() | twice.keys()))
        raise UserError(f"There are no images in the space {options.space}.", f"Name one that is there: {there}.")
    return collect(makers, remarks)


def _parts(tree: Tree) -> tuple[dict[str, Part], dict[str, Part]]:
    """Return the files of the patients scanned once and of those scanned twice, by version of the images."""
    matches = tree.matches(_FILE)
    homes_of_two = {_home(m[0]) for m in matches if m[4]}
    once: dict[str, Part] = {}
    twice: dict[str, Part] = {}
    for match in matches:
        space = next((s for s in SPACES if s.lower() == (match[1] or "").lower()), "raw" if match[3] else SPACES[0])
        part = twice if _home(match[0]) in homes_of_two else once
        name = match[5].lower()
        role = {**_ROLES, **_MARKS}[name]
        part.setdefault(space, {}).setdefault((match[2].lower(), match[4] or ""), {})[role] = match[0]
    return once, twice


def _home(file: str) -> str:
    """Return the folder of the data's part: above the versions, else that of the patient."""
    parts = Path(file).parts
    place = next(n for n, part in enumerate(parts) if part.lower().startswith("patient"))
    return "/".join(parts[: place - 1]) if place and parts[place - 1] in SPACES else "/".join(parts[: place + 1])


def _case(
    tree: Tree,
    name: str,
    prefix: str,
    space: str,
    part: Part,
    scan: tuple[str, str],
    transforms: Mapping[tuple[str, str, str], Path],
) -> FoundCase:
    patient, study = scan
    common = part.get((patient, ""), {}) if study and space != "raw" else {}
    named = {**common, **part[scan]}
    files: dict[str, Path | Made] = {role: tree.path(file) for role, file in named.items()}
    if not any(role in files for role in _ROLES.values()):
        raise Unusable("there are masks and no image")
    for role in {"lesion", "suspect"} & named.keys():
        files[role] = LabelMask(tree.path(named[role]))
    if space == "raw":
        wanted = [role for role in files if (patient, study, role) in transforms]
        files |= {f"{role}_transform": transforms[patient, study, role] for role in wanted}
    return FoundCase(name, f"{prefix}{patient}", files)
