"""Write the manifest of the shared soft-tissue sarcoma images with their outcomes.

`python -m LesionLensLib.training.open_sarcoma DATA MANIFEST.csv`; DATA holds `outcomes.csv`, `train/` and
`test_public/` with a folder a patient. The label is lung metastasis (1) or none (0): not the "distant metastasis" of
the CHMFL paper, which counts five more patients of the whole cohort.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from LesionLensLib.errors import UserError
from LesionLensLib.training.manifest_table import write_records

FILES = {"PET": "PET", "CT": "CT", "MR_T1": "MR_T1", "lesion": "tumour"}
SPLITS = {"train": "train", "test_public": "test"}
COLUMNS = ("case", "patient", "split", "label", *FILES)


def manifest_records(data: Path) -> list[dict[str, str]]:
    """Return one record a patient with absolute paths, in the order of `outcomes.csv`.

    Raises `UserError` where that table is missing or names a split or patient that is not there.
    """
    path = data / "outcomes.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            outcomes = list(csv.DictReader(file))
    except OSError as error:
        message = f"{path.name} of the sarcoma images cannot be read."
        remedy = "Give the folder that holds outcomes.csv, train and test_public."
        raise UserError(message, remedy, str(error)) from error
    return [_record(data, row) for row in outcomes]


def write_manifest(data: Path, path: Path) -> None:
    """Write the manifest of the patients in `data`."""
    write_records(path, COLUMNS, manifest_records(data.resolve()))


def _record(data: Path, row: dict[str, str]) -> dict[str, str]:
    folder = data / row["split"] / row["case"]
    if row["split"] not in SPLITS or not folder.is_dir():
        raise UserError(f"The images of {row['case']} are not where outcomes.csv says.", "Get the images again.")
    files = {role: str(folder / f"{name}.nii.gz") for role, name in FILES.items()}
    label = str(int(row["lung_metastasis"]))
    return {"case": row["case"], "patient": row["case"], "split": SPLITS[row["split"]], "label": label, **files}


if __name__ == "__main__":
    write_manifest(*(Path(argument) for argument in sys.argv[1:]))
