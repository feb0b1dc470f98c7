"""AutoPET: whole-body PET-CT with tumour masks, as a folder a study (I, II) or in the order of nnU-Net (III and later).

Layout: FDG-PET-CT-Lesions (TCIA, doi 10.7937/gkr0-xv29; Gatidis et al., Scientific Data 9, 601, 2022),
`PETCT_<10 hex>/<date-NA-text-number>/{CT,CTres,PET,SUV,SEG}.nii.gz`; autopet-iii.grand-challenge.org,
`imagesTr/<tracer>_<patient>_<study>_0000.nii.gz` (CT on the grid of the PET), `_0001` (SUV) and `labelsTr`. There the
channels are told by their numbers, whatever `dataset.json` calls them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from LesionLensLib.cohort.importers.found import Found, FoundCase, ImportOptions, Made, Unusable, collect
from LesionLensLib.cohort.importers.made import LabelMask
from LesionLensLib.cohort.importers.tree import IMAGE, Tree, by_ending

# The CT as it was scanned comes before the one brought onto the grid of the PET.
_ENDINGS = {"CT": "CT", "CTres": "CTres", "SUV": "PET", "PET": "Bq/ml", "SEG": "lesion"}
_STUDY = rf"(PETCT_[0-9a-f]{{10}})/([^/]+)/({'|'.join(_ENDINGS)})\.{IMAGE}"
NNUNET_IMAGE = rf"images(Tr|Ts)/((fdg|psma)_([0-9a-f]+)_[^/]*)_(\d{{4}})\.{IMAGE}"
_CHANNELS = {"0000": "CT", "0001": "PET"}


def fits(tree: Tree) -> bool:
    """Return whether the tree holds studies of either kind."""
    return tree.holds(_STUDY) or tree.holds(NNUNET_IMAGE)


def find(tree: Tree, options: ImportOptions) -> Found:
    """Return the studies of every patient; PET is in SUV, and a study without tumour has an empty mask."""
    studies: dict[tuple[str, str], list[str]] = {}
    for match in tree.matches(_STUDY):
        studies.setdefault((match[1], match[2]), []).append(match[0])
    makers = [(_name(*key), partial(_study_case, tree, *key, files)) for key, files in studies.items()]
    labels = {match[1]: match[0] for match in tree.matches(rf"labels(?:Tr|Ts)/([^/]+)\.{IMAGE}")}
    named: dict[str, list[re.Match[str]]] = {}
    for match in tree.matches(NNUNET_IMAGE):
        named.setdefault(match[2], []).append(match)
    makers += [(case, partial(_numbered_case, tree, m, labels.get(case))) for case, m in named.items()]
    return collect(makers)


def _study_case(tree: Tree, patient: str, study: str, files: Sequence[str]) -> FoundCase:
    named = by_ending(files, _ENDINGS)
    if "PET" not in named:
        raise Unusable("its PET is in Bq/ml alone: there is no SUV" if "Bq/ml" in named else "there is no SUV")
    ct = named.get("CT") or named.get("CTres")
    if ct is None:
        raise Unusable("there is no CT")
    return _found(tree, _name(patient, study), patient, ct, named["PET"], named.get("lesion"), "")


def _numbered_case(tree: Tree, matches: Sequence[re.Match[str]], label: str | None) -> FoundCase:
    named = {_CHANNELS.get(match[5], ""): match[0] for match in matches}
    if not {"CT", "PET"} <= named.keys():
        raise Unusable("one of _0000 (CT) and _0001 (SUV) is missing")
    first = matches[0]
    split = "train" if first[1].lower() == "tr" else "test"
    return _found(tree, first[2], f"{first[3]}_{first[4]}", named["CT"], named["PET"], label, split)


def _found(tree: Tree, case: str, patient: str, ct: str, pet: str, label: str | None, split: str) -> FoundCase:
    files: dict[str, Path | Made] = {"PET": tree.path(pet), "CT": tree.path(ct)}
    if label is not None:
        files["lesion"] = LabelMask(tree.path(label))
    return FoundCase(case, patient, files, split)


def _name(patient: str, study: str) -> str:
    """Return patient, date and number of a study: its folder's text between them is prose with spaces."""
    said = re.fullmatch(r"([\d-]*\d)-NA-.*-(\d+)", PurePosixPath(study).name)
    return f"{patient}_{said[1]}_{said[2]}" if said else f"{patient}_{study}"
