"""Brain-TR-GammaKnife (TCIA), the processed release: a folder a course of treatment, a file a lesion.

`GK.103_1/GK.103_1_MR_t1.nrrd`, `GK.103_1_dose.nrrd` and, for instance, `GK.103_1_LFrontal.nrrd`. The outcome of each
lesion stands in `Brain-TR-GammaKnife-Clinical-Information.xlsx`, sheet `lesion_level`: `Lesion Name in NRRD files` and
`mri_type`, recurrence or stable. Layout: Wang et al., Scientific Data 10, 785, 2023 (doi 10.1038/s41597-023-02683-1).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from LesionLensLib.cohort.importers.found import Found, FoundCase, ImportOptions, Made, Unusable, collect
from LesionLensLib.cohort.importers.made import LabelMask
from LesionLensLib.cohort.importers.table_file import read_table
from LesionLensLib.cohort.importers.tree import Tree, image_stem
from LesionLensLib.errors import UserError

_COURSE = r"(GK\.(\d+)_(\d+))"
_FILE = rf"{_COURSE}/\1_([^/]+)\.nrrd"
_TABLE = r"Brain[-_]TR[-_]GammaKnife[-_]Clinical[-_]Information\.(?:xlsx|csv)"
_SHEET, _LESION, _OUTCOME = "lesion_level", "Lesion Name in NRRD files", "mri_type"
_LABELS = {"recurrence": "1", "stable": "0"}


def fits(tree: Tree) -> bool:
    """Return whether the tree holds a course folder with its MR image."""
    return tree.holds(rf"{_COURSE}/\1_MR_t1[^/]*\.nrrd")


def find(tree: Tree, options: ImportOptions) -> Found:
    """Return one case a lesion: its mask, T1c and dose of its course, label 1 for recurrence and 0 for stable.

    A lesion that the table names and that is not there is left out with that reason, as is one without an outcome.
    """
    lesions, images = {}, {}
    for match in tree.matches(_FILE):
        course, name, stem = match[1], match[4].lower(), image_stem(match[0]) or ""
        if name.startswith("mr_t1"):
            images[course, "T1c"] = tree.path(match[0])
        elif name.startswith("dose"):
            images[course, "dose"] = tree.path(match[0])
        elif not name.startswith("mr_"):
            lesions[stem] = (course, tree.path(match[0]))
    outcomes = _outcomes(tree, options)
    names = [*lesions, *(name for name in outcomes if name not in lesions)] if outcomes is not None else [*lesions]
    makers = [(name, partial(_case, name, lesions, images, outcomes)) for name in names]
    missing = "There is no clinical table, so no lesion has an outcome: name it with --table."
    return collect(makers, [missing] if outcomes is None else [])


def _case(
    name: str,
    lesions: Mapping[str, tuple[str, Path]],
    images: Mapping[tuple[str, str], Path],
    outcomes: Mapping[str, str] | None,
) -> FoundCase:
    if name not in lesions:
        raise Unusable("the clinical table names it, and there is no such file")
    course, path = lesions[name]
    if (course, "T1c") not in images:
        raise Unusable(f"there is no {course}_MR_t1.nrrd")
    label = ""
    if outcomes is not None:
        outcome = outcomes.get(name)
        if outcome not in _LABELS:
            said = f"calls its MRI type {outcome!r}" if outcome else "has no outcome for it"
            raise Unusable(f"the clinical table {said}")
        label = _LABELS[outcome]
    files: dict[str, Path | Made] = {role: images[course, role] for role in ("T1c", "dose") if (course, role) in images}
    return FoundCase(name, course.rpartition("_")[0], {**files, "lesion": LabelMask(path)}, label=label)


def _outcomes(tree: Tree, options: ImportOptions) -> dict[str, str] | None:
    """Return the outcome of each lesion by the name of its file; None without a table."""
    tables = [tree.path(match[0]) for match in tree.matches(_TABLE)]
    if options.table is None and not tables:
        return None
    path = options.table or tables[0]
    rows = read_table(path, _SHEET)
    if not rows or _LESION not in rows[0] or _OUTCOME not in rows[0]:
        raise UserError(
            f"The table {path.name} lacks the columns {_LESION} and {_OUTCOME}.",
            "Give the clinical information that comes with Brain-TR-GammaKnife.",
        )
    named = {PurePosixPath(row[_LESION]).name.removesuffix(".nrrd"): row[_OUTCOME].lower() for row in rows}
    return {name: outcome for name, outcome in named.items() if name}
