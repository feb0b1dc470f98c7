"""A cohort that is also laid out as BIDS derivatives, from the images to the data set."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from cohort_cases import write_cohort

from LesionLensLib.cli.main import main
from LesionLensLib.images import read_volume
from LesionLensLib.images.labelmap import read_labelmap


def test_a_cohort_becomes_a_data_set_with_the_same_voxels_and_numbers(
    tmp_path: Path, tiny_outcome_model: Path
) -> None:
    files = write_cohort(tmp_path, tiny_outcome_model, 3)
    (tmp_path / "images" / "case1" / "CT.nii.gz").write_bytes(b"")
    assert main(files.arguments("--bids", str(tmp_path / "bids"))) == 0
    first = tmp_path / "bids" / "sub-patient0" / "ses-case0" / "anat" / "sub-patient0_ses-case0_desc-lesion_dseg.nii.gz"
    segmentation = read_labelmap(files.output / "case0" / "segmentation.seg.nrrd")
    assert np.array_equal(read_volume(first).array > 0, segmentation.layers[0].array > 0)
    assert not (tmp_path / "bids" / "sub-patient0" / "ses-case1").exists()
    with (tmp_path / "bids" / "sub-patient1" / "sub-patient1_sessions.tsv").open(newline="") as file:
        (line,) = csv.DictReader(file, delimiter="\t")
    assert line["case"] == "case2"
    assert line["probability"] == files.rows()[2]["probability"]


def test_a_folder_that_is_not_ours_is_refused_before_the_work(
    tmp_path: Path, tiny_outcome_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_cohort(tmp_path, tiny_outcome_model, 1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert main(files.arguments("--bids", str(tmp_path / "mine"))) == 2
    assert "is no data set of LesionLens" in capsys.readouterr().err
    assert not files.output.exists()
