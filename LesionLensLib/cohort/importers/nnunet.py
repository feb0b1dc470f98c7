"""nnU-Net's raw data: `dataset.json`, `imagesTr/CASE_0000.nii.gz`, `labelsTr/CASE.nii.gz`, `imagesTs`.

Layout: nnU-Net's documentation, dataset_format.md; `channel_names` (version 1: `modality`) gives each four-digit
channel its name, `labels` each label its number, or for regions its numbers (version 1: each number its label).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from LesionLensLib.cohort.importers import autopet
from LesionLensLib.cohort.importers.found import Found, FoundCase, ImportOptions, Made, Unusable, collect, safe_name
from LesionLensLib.cohort.importers.made import LabelMask
from LesionLensLib.cohort.importers.tree import IMAGE, Tree
from LesionLensLib.errors import UserError
from LesionLensLib.inputs.channel_guess import recognise

_IMAGE = rf"images(Tr|Ts)/([^/]+)_(\d{{4}})\.{IMAGE}"
_TABLE = "dataset.json"


def fits(tree: Tree) -> bool:
    """Return whether the tree holds a `dataset.json` and images of it; AutoPET in this order is another layout."""
    return bool(_folders(tree)) and not tree.holds(autopet.NNUNET_IMAGE)


def find(tree: Tree, options: ImportOptions) -> Found:
    """Return the cases with the channels named as `dataset.json` does; `lesion` are all labels, or those asked for.

    Raises `UserError` where there are several data sets, and where there are several labels and none is asked for.
    """
    folders = _folders(tree)
    if len(folders) != 1:
        names = ", ".join(PurePosixPath(folder).name or "the folder itself" for folder in folders) or "none"
        raise UserError(f"One nnU-Net data set is wanted, found: {names}.", "Give the folder of one, DatasetNNN_Name.")
    about = _read(tree.path(f"{folders[0]}/{_TABLE}" if folders[0] else _TABLE))
    roles, twice = _roles(about)
    values = _lesion_values(_labels(about), options.lesion_labels)
    labels = {m[1]: m[0] for m in tree.matches(rf"labels(?:Tr|Ts)/([^/]+)\.{IMAGE}")}
    channels: dict[tuple[str, str], dict[str, str]] = {}
    for match in tree.matches(_IMAGE):
        channels.setdefault((match[1], match[2]), {})[match[3]] = match[0]
    makers = [
        (case, partial(_case, tree, case, part, files, labels.get(case), roles, values, options.patient))
        for (part, case), files in channels.items()
    ]
    alone = "Every case counts as a patient of its own: --patient says what of a case's name is the patient."
    return collect(makers, [*twice, *([] if options.patient else [alone])])


def _case(
    tree: Tree,
    case: str,
    part: str,
    files: Mapping[str, str],
    label: str | None,
    roles: Mapping[str, str],
    values: frozenset[int] | None,
    pattern: str,
) -> FoundCase:
    strange = sorted(number for number in files if number not in roles)
    if strange:
        raise Unusable(f"{_TABLE} does not name its channel {strange[0]}")
    missing = [roles[number] for number in roles if number not in files]
    if missing:
        raise Unusable(f"its channel {missing[0]} is missing")
    paths: dict[str, Path | Made] = {roles[number]: tree.path(file) for number, file in files.items()}
    if label is not None:
        paths["lesion"] = LabelMask(tree.path(label), values)
    return FoundCase(case, patient_of(case, pattern), paths, "train" if part.lower() == "tr" else "test")


def patient_of(case: str, pattern: str) -> str:
    """Return the first group of `pattern` in a case's name.

    Raises `Unusable` where it does not fit, `UserError` where it is no regular expression.
    """
    if not pattern:
        return case
    try:
        found = re.search(pattern, case)
    except re.error as error:
        raise UserError(f"The pattern {pattern} is no regular expression.", "Correct --patient.", str(error)) from error
    if found is None or not found.groups() or not found[1]:
        raise Unusable(f"the pattern {pattern} finds no patient in its name")
    return found[1]


def _folders(tree: Tree) -> list[str]:
    """Return the folders with a `dataset.json` beside images of nnU-Net, relative to the tree ("" for its root).

    Other programs put a file of that name beside other layouts, MSSEG-2 among them.
    """
    tables = [PurePosixPath(match[0]).parent for match in tree.matches(re.escape(_TABLE))]
    images = {PurePosixPath(match[0]).parent.parent for match in tree.matches(_IMAGE)}
    return ["" if str(folder) == "." else str(folder) for folder in tables if folder in images]


def _read(path: Path) -> dict[str, Any]:
    try:
        about = json.loads(path.read_text(encoding="utf-8-sig"))
        for name in ("channel_names", "modality", "labels"):
            if not isinstance(about.get(name) or {}, dict):
                raise ValueError(f"{name} is no object")
        return dict(about)
    except (OSError, ValueError, AttributeError) as error:
        raise _unreadable(str(error)) from error


def _unreadable(detail: str) -> UserError:
    remedy = "Write channel_names as number: name, labels as name: number, as nnU-Net's documentation says."
    return UserError(f"{_TABLE} of the nnU-Net data set cannot be read.", remedy, detail)


def _number(text: object) -> int:
    try:
        return int(str(text))
    except ValueError as error:
        raise _unreadable(f"{text!r} is no number") from error


def _roles(about: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Return the column of each channel, and a remark where a name comes twice: it then gets the channel's number."""
    names = about.get("channel_names") or about.get("modality") or {}
    given = {f"{_number(number):04d}": str(name) for number, name in names.items()}
    known = {number: recognise(name) or safe_name(name) for number, name in given.items()}
    roles: dict[str, str] = {}
    remarks = []
    for number, role in known.items():
        if role in roles.values() or role in ("lesion", "case", "patient", "label", "split"):
            roles[number] = f"{role}_{number}"
            remarks.append(f"Channel {number} is called {given[number]!r} and stands in the column {roles[number]}.")
        else:
            roles[number] = role
    return roles, remarks


def _labels(about: Mapping[str, Any]) -> dict[str, frozenset[int]]:
    """Return the numbers of each label by its name, background and what is to be ignored left out."""
    labels: dict[str, frozenset[int]] = {}
    for key, value in (about.get("labels") or {}).items():
        name, numbers = (str(value), key) if str(key).isdigit() else (str(key), value)
        found = frozenset(_number(number) for number in (numbers if isinstance(numbers, list) else [numbers]))
        if name.lower() != "ignore" and found != {0}:
            labels[name] = found
    return labels


def _lesion_values(labels: Mapping[str, frozenset[int]], asked: Sequence[str]) -> frozenset[int] | None:
    if not asked and len(labels) > 1:
        raise UserError(
            f"The data set has several labels: {', '.join(labels)}.",
            "Say with --lesion-labels which of them make up the lesion, by name or number.",
        )
    values: set[int] = set()
    for label in asked or labels:
        if label in labels:
            values |= labels[label]
        elif label.isdigit() and any(int(label) in numbers for numbers in labels.values()):
            values.add(int(label))
        else:
            raise UserError(f"The data set has no label {label}.", f"Use one of: {', '.join(labels)}.")
    return frozenset(values) or None
