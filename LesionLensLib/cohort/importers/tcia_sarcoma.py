"""TCIA Soft-tissue-Sarcoma: DICOM in any folders, recognised by its tags as `images/tcia_tree.py` says.

The outcome is read from `INFOclinical_STS.xlsx` (columns `Patient ID`, `Outcome (recurrence, mets)`) of the collection
(doi 10.7937/K9/TCIA.2015.7GO2GSKS), where it says any metastasis, or from `STS_PoC_Outcomes.csv` of the mirror Zenodo
23103630 (columns `PatientID`, `Outcome`), where it says lung metastasis.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from LesionLensLib.cohort.importers.found import Found, FoundCase, ImportOptions, Made, collect
from LesionLensLib.cohort.importers.made import Computed
from LesionLensLib.cohort.importers.table_file import read_table
from LesionLensLib.cohort.importers.tree import Tree, image_stem
from LesionLensLib.errors import UserError
from LesionLensLib.images.dicom_headers import find_dicom_files, is_dicom_file, quiet_dicom, read_header
from LesionLensLib.images.dicom_series import read_dicom_series
from LesionLensLib.images.rtstruct import find_tumour_roi, read_structure_set, roi_mask
from LesionLensLib.images.series_path import series_path
from LesionLensLib.images.tcia_tree import SarcomaCase, SeriesEntry, case_name, index_sarcoma
from LesionLensLib.images.volume import Volume

_ROLES = {"PET": "PET", "CT": "CT", "T1": "MR_T1", "T2": "MR_T2"}
_CLINICAL = r"(?:INFOclinical_STS\.(?:xlsx|csv)|STS_PoC_Outcomes\.csv)"
_COLUMNS = (("Patient ID", "Outcome (recurrence, mets)"), ("PatientID", "Outcome"))
_LOOKED_AT = 12


def fits(tree: Tree) -> bool:
    """Return whether some of the first DICOM folders hold a patient numbered as in the collection."""
    folders: dict[str, str] = {}
    for file in tree.files:
        if image_stem(file) is None and Path(file).suffix.lower() in ("", ".dcm", ".ima"):
            folders.setdefault(str(Path(file).parent), file)
    for file in list(folders.values())[:_LOOKED_AT]:
        path = tree.path(file)
        if is_dicom_file(path):
            with quiet_dicom():
                patient = str(read_header(path, ["PatientID"]).get("PatientID") or "")
            if patient and case_name(patient) == patient.strip():
                return True
    return False


def find(tree: Tree, options: ImportOptions) -> Found:
    """Return the patients: PET, CT and MR as DICOM folders, `lesion` from the contours on the grid of the CT.

    The label is 1 for metastasis and 0 for none; one who had a local recurrence alone, whom the CHMFL paper leaves out,
    has none.
    """
    index = index_sarcoma(tree.root)
    outcomes, remarks = _outcomes(tree, options)
    makers = [(case.case, partial(_case, case, outcomes)) for case in index.cases]
    found = collect(makers, remarks)
    return Found(found.cases, (*index.skipped, *found.skipped), found.remarks)


def _case(case: SarcomaCase, outcomes: Mapping[str, str]) -> FoundCase:
    files: dict[str, Path | Made] = {_ROLES[role]: _place(entry) for role, entry in case.images.items()}
    files["lesion"] = Computed(partial(_contoured, case))
    return FoundCase(case.case, case.case, files, label=outcomes.get(_number(case.case), ""))


def _place(entry: SeriesEntry) -> Path:
    """Return the folder of a series, or `FOLDER#SERIES` where others lie in it too."""
    alone = set(find_dicom_files(entry.folder)) == set(entry.files)
    return entry.folder if alone else series_path(entry.folder, entry.uid)


def _contoured(case: SarcomaCase) -> Volume:
    ct = case.images["CT"]
    contours = case.structures.get("CT") or case.structures["PET"]
    structures = read_structure_set(contours.files[0])
    return roi_mask(structures, find_tumour_roi(structures), read_dicom_series(ct.folder, ct.uid))


def _outcomes(tree: Tree, options: ImportOptions) -> tuple[dict[str, str], list[str]]:
    tables = [tree.path(match[0]) for match in tree.matches(_CLINICAL)]
    if options.table is None and not tables:
        return {}, ["There is no clinical table, so no patient has a label: name it with --table."]
    path = options.table or tables[0]
    rows = read_table(path)
    for patient, outcome in _COLUMNS:
        if rows and patient in rows[0] and outcome in rows[0]:
            labels = {_number(row[patient]): _label(row[outcome]) for row in rows if row[patient]}
            unclear = sorted({row[outcome] for row in rows if row[patient] and _label(row[outcome]) == ""})
            left = [f"No label is given for the outcomes {', '.join(map(repr, unclear))}."] if unclear else []
            return labels, [f"The label is what {path.name} says in {outcome!r}: 1 for metastasis.", *left]
    raise UserError(
        f"The table {path.name} has no outcome by patient.",
        "Give INFOclinical_STS.xlsx of the collection or STS_PoC_Outcomes.csv of the mirror.",
    )


def _label(outcome: str) -> str:
    """Return 1 for metastasis, 0 for none, and nothing for what is neither."""
    text = outcome.strip().lower()
    if text in ("0", "1"):
        return text
    if re.match(r"(no|none|ned)\b", text):
        return "0"
    return "1" if re.search(r"\bmet", text) else ""


def _number(name: str) -> str:
    """Return the number of a patient, which STS_001 and STS-McGill-001 share."""
    return re.sub(r"\D", "", name) or name
