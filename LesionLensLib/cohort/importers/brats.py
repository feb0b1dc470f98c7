"""BraTS: gliomas and metastases, `CASE/CASE_t1ce.nii.gz` until 2021 and `CASE/CASE-t1c.nii.gz` since.

Layout and labels: the data pages of the challenges (braintumorsegmentation.github.io, synapse.org/brats2023 and later).
Until 2021: 1 necrosis, 2 oedema, 4 enhancing. Since 2023: 1 non-enhancing core, 2 surrounding FLAIR change,
3 enhancing, 4 resection cavity (after treatment). A 4 thus means the tumour's rim or a hole: the names tell which.
They do not tell for children (BraTS-PED): 2023 had 1 tumour without enhancement, 2 oedema, 3 enhancing, and since 2024
(Kazerooni et al., arXiv 2404.15009) 1 is enhancing, 2 not enhancing, 3 cysts, 4 oedema. BraTS-MEN-RT has a `gtv`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from LesionLensLib.cohort.importers.found import Found, FoundCase, ImportOptions, Made, Unusable, collect
from LesionLensLib.cohort.importers.made import LabelMask
from LesionLensLib.cohort.importers.tree import IMAGE, Tree, by_ending, image_stem, split_of
from LesionLensLib.manifest import delimiter_of

_OLD = {"t1ce": "T1c", "t1gd": "T1c", "t1": "T1", "t2": "T2", "flair": "FLAIR", "seg": "lesion"}
_NEW = {"t1c": "T1c", "t1n": "T1", "t2w": "T2", "t2f": "FLAIR", "seg": "lesion", "gtv": "lesion"}
_FILE = rf"(brats[^/]*?)([_-])({'|'.join([*_OLD, *_NEW])})\.{IMAGE}"
_OLD_PARTS = {"core": {1, 4}, "whole": {1, 2, 4}, "enhancing": {4}}
_NEW_PARTS = {"core": {1, 3}, "whole": {1, 2, 3}, "enhancing": {3}}
# One file of BraTS 2020 kept the name it had in its hospital: W39_1998.09.19_Segm.nii of Training_355.
_STRAY_SEGMENTATION = re.compile(r"segm$", re.IGNORECASE)
_GRADES = {"HGG": "1", "LGG": "0"}


def fits(tree: Tree) -> bool:
    """Return whether the tree holds images named as those of BraTS."""
    return tree.holds(_FILE)


def find(tree: Tree, options: ImportOptions) -> Found:
    """Return the cases; `lesion` is the part of the tumour asked for, the label 1 for a high and 0 for a low grade.

    The time points of one patient (the last number of the newer names) share the patient.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    newer: dict[str, bool] = {}
    for match in tree.matches(_FILE):
        groups.setdefault((str(PurePosixPath(match[0]).parent), match[1]), []).append(match[0])
        newer[match[1]] = match[1].lower().startswith("brats-")
    grades, folders = _grades(tree), tree.image_folders()
    makers = []
    for (folder, case), files in groups.items():
        alone = sum(1 for other, _ in groups if other == folder) == 1
        strays = [f for f in folders[folder] if _STRAY_SEGMENTATION.search(image_stem(f) or "")] if alone else []
        makers.append((case, partial(_case, tree, options, case, newer[case], [*files, *strays], grades)))
    return collect(makers)


def _case(
    tree: Tree, options: ImportOptions, case: str, new: bool, files: Sequence[str], grades: Mapping[str, str]
) -> FoundCase:
    named = by_ending(files, {**(_NEW if new else _OLD), "segm": "lesion"})
    paths: dict[str, Path | Made] = {role: tree.path(file) for role, file in named.items() if role != "lesion"}
    if not paths:
        raise Unusable("there is a segmentation and no image")
    if "lesion" in named and case.lower().startswith("brats-ped"):
        raise Unusable("the labels of BraTS-PED changed their meaning in 2024 and its files do not tell the year")
    if "lesion" in named:
        parts, known = (_NEW_PARTS, {1, 2, 3, 4}) if new else (_OLD_PARTS, {1, 2, 4})
        paths["lesion"] = LabelMask(tree.path(named["lesion"]), frozenset(parts[options.lesion]), frozenset(known))
    folders = {part.upper() for part in PurePosixPath(files[0]).parts}
    label = grades.get(case, "") or next((grade for name, grade in _GRADES.items() if name in folders), "")
    return FoundCase(case, _patient(case), paths, split_of(files[0]), label)


def _patient(case: str) -> str:
    """Return the patient of a case: the newer names, and those of 2017 to 2019, end in the number of the scan."""
    newer = re.fullmatch(r"(brats-[a-z-]+-\d+)-\d+", case, re.IGNORECASE)
    older = re.fullmatch(r"(brats1[789]_.+)_\d+", case, re.IGNORECASE)
    found = newer or older
    return found[1] if found else case


def _grades(tree: Tree) -> dict[str, str]:
    """Return the label of each case that a `name_mapping.csv` of 2019 or 2020 grades."""
    grades = {}
    for match in tree.matches(r"name_mapping[^/]*\.csv"):
        with tree.path(match[0]).open(newline="", encoding="utf-8-sig") as file:
            delimiter = delimiter_of(file.readline())
            file.seek(0)
            for row in csv.DictReader(file, delimiter=delimiter):
                names = [v for k, v in row.items() if re.fullmatch(r"BraTS_20\d\d_subject_ID", str(k))]
                grade = _GRADES.get((row.get("Grade") or "").strip().upper())
                if grade is not None:
                    grades.update({name.strip(): grade for name in names if name})
    return grades
