"""The manifest of the shared sarcoma patients."""

from pathlib import Path

import pytest

from LesionLensLib.errors import UserError
from LesionLensLib.manifest import read_manifest
from LesionLensLib.training.open_sarcoma import FILES, manifest_records, write_manifest


def write_data(folder: Path) -> Path:
    """Two patients, one for testing, with empty files in place of images."""
    lines = ["case,split,lung_metastasis,tumour_ml"]
    for case, split, label in (("STS_001", "train", 0), ("STS_004", "test_public", 1)):
        home = folder / split / case
        home.mkdir(parents=True)
        for name in FILES.values():
            (home / f"{name}.nii.gz").touch()
        lines.append(f"{case},{split},{label},3.5")
    (folder / "outcomes.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_a_manifest_moves_together_with_the_images(tmp_path: Path) -> None:
    data = write_data(tmp_path / "here" / "data")
    write_manifest(data, tmp_path / "here" / "cases.csv")
    (tmp_path / "here").rename(tmp_path / "there")
    first, second = read_manifest(tmp_path / "there" / "cases.csv")
    assert (first.case, first.split, first.label) == ("STS_001", "train", "0")
    assert (second.case, second.split, second.label) == ("STS_004", "test", "1")
    assert second.files["lesion"].name == "tumour.nii.gz"
    assert second.has("PET", "CT", "MR_T1")


def test_a_patient_whose_images_are_missing_is_named(tmp_path: Path) -> None:
    data = write_data(tmp_path)
    (data / "train" / "STS_001").rename(data / "train" / "STS_999")
    with pytest.raises(UserError, match="STS_001"):
        manifest_records(data)


def test_the_shared_patients_are_forty_two_with_sixteen_metastases_and_eight_for_testing(data_root: Path) -> None:
    if not (data_root / "sarcoma_petct").is_dir():
        pytest.skip("the sarcoma patients are not there")
    records = manifest_records(data_root / "sarcoma_petct")
    assert len(records) == 42
    assert sum(record["label"] == "1" for record in records) == 16
    tested = [record for record in records if record["split"] == "test"]
    assert (len(tested), sum(record["label"] == "1" for record in tested)) == (8, 3)
