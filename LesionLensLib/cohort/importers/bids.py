"""BIDS: `sub-01[/ses-1]/anat/sub-01[_ses-1]_T1w.nii.gz`, lesion masks there or in a dataset below `derivatives`.

Layout: bids-specification.readthedocs.io, version 1.10 (MRI, PET, derivatives). A `ce-` entity makes a T1w the one
after contrast agent. CT has no place in the standard yet; `ct/*_ct.nii.gz` is taken as in the proposal BEP024.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from LesionLensLib.cohort.bids_names import is_our_dataset
from LesionLensLib.cohort.importers.found import Found, FoundCase, ImportOptions, Made, Unusable, collect
from LesionLensLib.cohort.importers.made import LabelMask
from LesionLensLib.cohort.importers.table_file import read_table
from LesionLensLib.cohort.importers.tree import IMAGE, Tree, image_stem
from LesionLensLib.errors import UserError

_FILE = rf"(sub-[A-Za-z0-9]+)/(?:(ses-[A-Za-z0-9]+)/)?(anat|pet|ct)/\1_(?:\2_)?[^/]+\.{IMAGE}"
_SUFFIXES = {"T1w": "T1", "T2w": "T2", "FLAIR": "FLAIR", "PDw": "PD", "pet": "PET", "ct": "CT"}
_MASKS = ("mask", "dseg", "roi")
_LESION = re.compile(r"lesion|tumou?r|gtv|metast|wmh", re.IGNORECASE)


def fits(tree: Tree) -> bool:
    """Return whether the folder itself is a BIDS data set."""
    return "dataset_description.json" in tree.files and tree.holds(_FILE)


def find(tree: Tree, options: ImportOptions) -> Found:
    """Return the sessions; the label is the column of `participants.tsv` that is asked for.

    `lesion` is the mask whose entities `label` or `desc` say lesion or tumour, of the whole of it or the labels asked
    for. Masks in another space than the subject's own are left aside, as are what LesionLens found itself and other
    data sets below this one, such as `sourcedata`. Raises `UserError` for a column not there.
    """
    sessions: dict[tuple[str, str], list[str]] = {}
    ours = _made_here(tree)
    for match in tree.matches(_FILE):
        if not match[0].startswith(("sub-", "derivatives/")) or match[0].startswith(ours):
            continue
        sessions.setdefault((match[1], match[2] or ""), []).append(match[0])
    labels, remarks = _labels(tree, options), []
    makers = []
    for (subject, session), files in sessions.items():
        name = f"{subject}_{session}" if session else subject
        makers.append((name, partial(_case, tree, name, subject, files, labels, options)))
    if not options.label_column:
        remarks.append("No case has a label: --label-column names a column of participants.tsv.")
    return collect(makers, remarks)


def _case(
    tree: Tree, name: str, subject: str, files: Sequence[str], labels: Mapping[str, str], options: ImportOptions
) -> FoundCase:
    raw = [file for file in files if not file.startswith("derivatives/") and entities(file)[1] in _SUFFIXES]
    by_role: dict[str, list[str]] = {}
    for file in raw:
        by_role.setdefault(_role(file), []).append(file)
    if not by_role:
        raise Unusable("there is no image in its anat, pet or ct folder, masks aside")
    paths: dict[str, Path | Made] = {role: tree.path(_only(role, found)) for role, found in by_role.items()}
    if "PET" in paths:
        _check_unit(tree, by_role["PET"][0])
    marks = [file for file in files if _is_lesion(file)]
    for suffix in _MASKS:
        fitting = [file for file in marks if entities(file)[1] == suffix]
        if fitting and "lesion" not in paths:
            values = _values(options.lesion_labels)
            paths["lesion"] = LabelMask(tree.path(_only("lesion mask", fitting)), values)
    return FoundCase(name, subject, paths, label=labels.get(subject, ""))


def entities(file: str) -> tuple[dict[str, str], str]:
    """Return the entities of a BIDS file name, such as `ses` or `desc`, and its suffix."""
    *pairs, suffix = (image_stem(file) or PurePosixPath(file).stem).split("_")
    return dict(pair.partition("-")[::2] for pair in pairs), suffix


def _role(file: str) -> str:
    said, suffix = entities(file)
    return "T1c" if suffix == "T1w" and "ce" in said else _SUFFIXES[suffix]


def _only(role: str, files: Sequence[str]) -> str:
    """Return the only file, or of several runs the first; raises `Unusable` for files that differ in more."""
    if len(files) == 1:
        return files[0]
    if len({re.sub(r"_run-\d+", "", file) for file in files}) == 1:
        return sorted(files)[0]
    names = {PurePosixPath(file).name for file in files}
    told = sorted(files) if len(names) < len(files) else sorted(names)
    raise Unusable(f"several files may be the {role}: {', '.join(told)}")


def _made_here(tree: Tree) -> tuple[str, ...]:
    """Return the folders of derivatives that LesionLens wrote: its answers must not become the truth."""
    tables = [match[0] for match in tree.matches(r"derivatives/.*dataset_description\.json")]
    return tuple(f"{PurePosixPath(table).parent}/" for table in tables if is_our_dataset(tree.path(table).parent))


def _is_lesion(file: str) -> bool:
    said, suffix = entities(file)
    own_space = said.get("space", "orig").lower() in ("orig", "individual", "t1w", "t2w", "flair", "anat", "pet", "ct")
    return suffix in _MASKS and own_space and any(_LESION.search(said.get(key, "")) for key in ("label", "desc"))


def _values(asked: Sequence[str]) -> frozenset[int] | None:
    strange = [label for label in asked if not label.isdigit()]
    if strange:
        raise UserError(f"The label {strange[0]} is no number.", "Give numbers with --lesion-labels, such as 1,3.")
    return frozenset(int(label) for label in asked) or None


def _check_unit(tree: Tree, file: str) -> None:
    """Raise `Unusable` for a PET whose sidecar says Bq/mL, which is what BIDS wants and no model here takes."""
    for match in tree.matches(re.escape(PurePosixPath(file).name.split(".")[0]) + r"\.json"):
        try:
            unit = json.loads(tree.path(match[0]).read_text(encoding="utf-8")).get("Units", "")
        except (ValueError, AttributeError) as error:
            raise Unusable(f"{PurePosixPath(match[0]).name} cannot be read") from error
        if str(unit).lower().startswith("bq"):
            raise Unusable("its PET is in Bq/mL: the models take SUV, so bring it to SUV first")


def _labels(tree: Tree, options: ImportOptions) -> dict[str, str]:
    if not options.label_column:
        return {}
    path = options.table or tree.path("participants.tsv")
    rows = read_table(path)
    if not rows or "participant_id" not in rows[0] or options.label_column not in rows[0]:
        columns = ", ".join(rows[0]) if rows else "no line"
        raise UserError(f"{path.name} has no column {options.label_column}.", f"It has: {columns}.")
    values = {row["participant_id"]: row[options.label_column] for row in rows}
    return {subject: "" if value.lower() == "n/a" else value for subject, value in values.items()}
