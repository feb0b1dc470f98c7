"""UCSF-BMSR: `UCSF_BrainMetastases_TRAIN/100101A/100101A_{T1pre,T1post,FLAIR,T2Synth,seg,BraTS-seg}.nii.gz`.

Layout: Rudie et al., Radiology: Artificial Intelligence 6(2), 2024 (doi 10.1148/ryai.230126). The letter counts the
examinations of one patient. `seg` marks the metastases and is there for all, `BraTS-seg` (1 non-enhancing, 2 oedema,
3 enhancing) for some. T2Synth was computed by a network from the others and is therefore not offered as a T2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from LesionLensLib.cohort.importers.found import Found, FoundCase, ImportOptions, Made, Unusable, collect
from LesionLensLib.cohort.importers.made import LabelMask
from LesionLensLib.cohort.importers.tree import IMAGE, Tree, by_ending, split_of

_ENDINGS = {
    "T1pre": "T1", "T1post": "T1c", "FLAIR": "FLAIR", "T2Synth": "T2Synth", "seg": "seg", "BraTS-seg": "BraTS-seg",
}  # fmt: skip
_FILE = rf"([^/]+)/\1_({'|'.join(_ENDINGS)})\.{IMAGE}"
_PARTS = {"whole": frozenset({1, 2, 3}), "enhancing": frozenset({3})}


def fits(tree: Tree) -> bool:
    """Return whether the tree holds folders with a `_T1post` and a `_T1pre` named as they are."""
    return tree.holds(rf"([^/]+)/\1_T1post\.{IMAGE}") and tree.holds(rf"([^/]+)/\1_T1pre\.{IMAGE}")


def find(tree: Tree, options: ImportOptions) -> Found:
    """Return the examinations; `lesion` is `seg`, or the part asked for of `BraTS-seg` (without it: left out)."""
    groups: dict[tuple[str, str], list[str]] = {}
    for match in tree.matches(_FILE):
        groups.setdefault((str(PurePosixPath(match[0]).parent), match[1]), []).append(match[0])
    makers = [(case, partial(_case, tree, options, case, files)) for (_, case), files in groups.items()]
    overlap = "BraTS-METS holds many of these examinations under other names: never train on one and test on the other."
    return collect(makers, [overlap])


def _case(tree: Tree, options: ImportOptions, case: str, files: Sequence[str]) -> FoundCase:
    named = by_ending(files, _ENDINGS)
    paths: dict[str, Path | Made] = {r: tree.path(f) for r, f in named.items() if r not in ("seg", "BraTS-seg")}
    if "T1c" not in paths:
        raise Unusable("there is no T1post")
    if options.lesion in _PARTS and "seg" in named:
        if "BraTS-seg" not in named:
            raise Unusable(f"there is no BraTS-seg, which alone tells the {options.lesion} tumour")
        known = frozenset({1, 2, 3})
        paths["lesion"] = LabelMask(tree.path(named["BraTS-seg"]), _PARTS[options.lesion], known)
    elif "seg" in named:
        paths["lesion"] = LabelMask(tree.path(named["seg"]))
    return FoundCase(case, re.sub(r"(?<=\d)[A-Z]$", "", case), paths, split_of(files[0]))
