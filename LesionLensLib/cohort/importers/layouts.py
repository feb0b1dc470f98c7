"""The layouts by name, and which of them a folder has."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Protocol, cast

from LesionLensLib.cohort.importers.found import Found, ImportOptions, safe_name
from LesionLensLib.cohort.importers.tree import Tree
from LesionLensLib.errors import UserError

AUTO = "auto"
_HERE = "LesionLensLib.cohort.importers"
# Name -> (module, what it is).
LAYOUTS = {
    "brats": (f"{_HERE}.brats", "BraTS 2018 to 2025: gliomas, meningiomas, metastases"),
    "ucsf-bmsr": (f"{_HERE}.ucsf_bmsr", "UCSF-BMSR: brain metastases"),
    "brainmetshare": (f"{_HERE}.brainmetshare", "Stanford BrainMetShare, PNG or NIfTI"),
    "gamma-knife": (f"{_HERE}.gamma_knife", "TCIA Brain-TR-GammaKnife, the processed NRRD files"),
    "tcia-sarcoma": (f"{_HERE}.tcia_sarcoma", "TCIA Soft-tissue-Sarcoma, DICOM"),
    "autopet": (f"{_HERE}.autopet", "AutoPET I to V"),
    "msseg2": (f"{_HERE}.msseg2", "MSSEG-2: new lesions of multiple sclerosis"),
    "isbi2015": (f"{_HERE}.isbi2015", "ISBI 2015: multiple sclerosis over time"),
    "open-ms": (f"{_HERE}.open_ms", "open_ms_data of Ljubljana"),
    "nnunet": (f"{_HERE}.nnunet", "nnU-Net raw data with dataset.json"),
    "bids": (f"{_HERE}.bids", "BIDS"),
}


class Importer(Protocol):
    """What the module of a layout offers."""

    def fits(self, tree: Tree) -> bool:
        """Return whether a tree looks like this layout."""

    def find(self, tree: Tree, options: ImportOptions) -> Found:
        """Return the cases of a tree."""


def importer(name: str) -> Importer:
    """Return the importer of a layout by name."""
    return cast(Importer, importlib.import_module(LAYOUTS[name][0]))


def find_cases(layout: str, folder: str | Path, options: ImportOptions) -> tuple[str, Found]:
    """Return the layout, found out for `auto`, and the cases of `folder` in it.

    Raises `UserError` for an unknown layout, a folder that has none or several, and one without a single file of it.
    """
    if layout not in (AUTO, *LAYOUTS):
        raise UserError(f"There is no layout {layout}.", f"Use one of: {', '.join([AUTO, *LAYOUTS])}.")
    tree = Tree(folder)
    name = detect(tree) if layout == AUTO else layout
    if layout != AUTO and not importer(name).fits(tree):
        others = [other for other in LAYOUTS if other != name and importer(other).fits(tree)]
        hint = f"It looks like {' or '.join(others)}." if others else "Check the folder."
        raise UserError(f"The folder {tree.root.name} holds nothing of the layout {name}.", hint)
    found = importer(name).find(tree, options)
    told = {case for case, _ in found.skipped}
    overlooked = [(safe_name(PurePosixPath(folder).name), reason) for folder, reason in tree.overlooked()]
    return name, replace(found, skipped=(*found.skipped, *(one for one in overlooked if one[0] not in told)))


def detect(tree: Tree) -> str:
    """Return the one layout that fits; raises `UserError` where none does, or more than one."""
    fitting = [name for name in LAYOUTS if importer(name).fits(tree)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UserError(
            f"The folder {tree.root.name} fits several layouts: {', '.join(fitting)}.",
            "Name the one you mean in place of auto, or give the folder of one data set.",
        )
    raise UserError(
        f"The folder {tree.root.name} has none of the layouts known: {', '.join(LAYOUTS)}.",
        "Name the layout if it is one of them, else write the manifest: case,patient,ROLE...,lesion,label,split.",
    )
