"""Write the manifest of the shared Ljubljana multiple-sclerosis images.

`python -m LesionLensLib.training.open_ms DATA MANIFEST.csv [ANATOMY]`; DATA holds `train/`, `test_public/`, `native/`
and `lesion_masks_only/` with one folder or file a patient, ANATOMY what `open_anatomy` wrote.
"""

from __future__ import annotations

import sys
from pathlib import Path

from LesionLensLib.training.manifest_table import write_records

COLUMNS = (
    "case", "patient", "split", "T1", "T2", "FLAIR", "brain", "lesion", "suspect", "T1_transform", "T2_transform",
)  # fmt: skip


def manifest_records(data: Path) -> list[dict[str, str]]:
    """Return one record a case with absolute paths.

    A mask alone is left out where the patient's images are there too: the shapes of a test patient must not be planted,
    nor those of a labelled one before the network is judged on it.
    """
    labelled = [(folder, "train") for folder in sorted((data / "train").iterdir())]
    labelled += [(folder, "test") for folder in sorted((data / "test_public").iterdir())]
    imaged = {folder.name for folder, _ in labelled}
    records = [_labelled(folder, split) for folder, split in labelled]
    records += [_native(folder) for folder in sorted((data / "native").iterdir())]
    masks = sorted((data / "lesion_masks_only").glob("*.nii.gz"))
    return records + [_shape(path) for path in masks if path.name.removesuffix(".nii.gz") not in imaged]


def write_manifest(data: Path, path: Path, anatomy: Path | None = None) -> None:
    """Write the manifest with paths relative to its own folder, so that both can be moved together."""
    brains = sorted(anatomy.resolve().iterdir()) if anatomy else []
    write_records(path, COLUMNS, manifest_records(data.resolve()) + [_anatomy(folder) for folder in brains])


def _labelled(folder: Path, split: str) -> dict[str, str]:
    files = {role: str(folder / f"{role}.nii.gz") for role in ("T1", "T2", "FLAIR", "brain", "lesion")}
    return {"case": folder.name, "patient": folder.name, "split": split, **files}


def _native(folder: Path) -> dict[str, str]:
    files = {role: str(folder / f"{role}.nii.gz") for role in ("T1", "T2", "FLAIR", "brain")}
    files |= {f"{role}_transform": str(folder / f"{role}_to_FLAIR.txt") for role in ("T1", "T2")}
    files["suspect"] = str(folder / "lesion_change.nii.gz")
    return {"case": folder.name, "patient": folder.name.rsplit("_", 1)[0], "split": "train", **files}


def _anatomy(folder: Path) -> dict[str, str]:
    files = {name: str(folder / f"{name}.nii.gz") for name in ("T1", "brain")}
    return {"case": folder.name, "patient": folder.name, "split": "train", **files}


def _shape(path: Path) -> dict[str, str]:
    patient = path.name.removesuffix(".nii.gz")
    return {"case": f"{patient}_shape", "patient": patient, "split": "train", "lesion": str(path)}


if __name__ == "__main__":
    write_manifest(*(Path(argument) for argument in sys.argv[1:]))
