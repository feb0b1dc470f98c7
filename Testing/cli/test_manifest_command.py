"""`lesionlens manifest` from the command line: table, reasons on stderr, divisions, and refusals in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from data_set_trees import image, mask

from LesionLensLib.cli.main import main
from LesionLensLib.manifest import read_manifest


def write_ucsf(root: Path, patients: int = 4) -> Path:
    for number in range(patients):
        for visit in "AB":
            case = f"10010{number}{visit}"
            home = root / "UCSF_BrainMetastases_TRAIN" / case
            for name in ("T1pre", "T1post", "FLAIR"):
                image(home / f"{case}_{name}.nii.gz")
            mask(home / f"{case}_seg.nii.gz", 1)
    (root / "UCSF_BrainMetastases_TRAIN" / "100100A" / "100100A_T1post.nii.gz").unlink()
    (root / "UCSF_BrainMetastases_TRAIN" / "100100B" / "100100B_FLAIR.nii.gz").unlink()
    return root


def test_the_command_writes_a_table_and_says_why_a_case_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, table = write_ucsf(tmp_path / "ucsf"), tmp_path / "new" / "cases.csv"
    assert main(["manifest", "auto", str(root), "--output", str(table), "--progress", "none"]) == 0
    said = capsys.readouterr()
    assert "skipped 100100A: there is no T1post\n" in said.err
    assert "warning: BraTS-METS holds" in said.err
    assert "warning: 1 of 7 cases have no FLAIR.\n" in said.err
    assert said.out.splitlines() == ["ucsf-bmsr: 7 cases of 4 patients, 1 left out", str(table)]
    assert {row.split for row in read_manifest(table)} == {"train"}
    assert main(["manifest", "auto", str(root), "--output", str(table)]) == 2
    assert "exists" in capsys.readouterr().err


def test_a_test_share_is_drawn_by_patient(tmp_path: Path) -> None:
    root, table = write_ucsf(tmp_path / "ucsf"), tmp_path / "cases.csv"
    assert main(["manifest", "ucsf-bmsr", str(root), "--output", str(table), "--test-share", "0.5"]) == 0
    rows = read_manifest(table)
    sides = {split: {row.patient for row in rows if row.split == split} for split in ("train", "test")}
    assert (len(sides["train"]), len(sides["test"])) == (2, 2)
    assert not sides["train"] & sides["test"]


def test_progress_as_json_ends_with_the_counts_and_the_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_ucsf(tmp_path / "ucsf")
    assert main(["manifest", "auto", str(root), "--output", str(tmp_path / "c.csv"), "--progress", "json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1] == {
        "event": "result",
        "layout": "ucsf-bmsr",
        "cases": 7,
        "patients": 4,
        "skipped": [{"case": "100100A", "reason": "there is no T1post"}],
    }


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["auto", "gone"], "There is no folder gone."),
        (["auto", "empty"], "The folder empty is empty."),
        (["auto", "ucsf", "--test-share", "2"], "--test-share 2 is no share."),
        (["brats", "ucsf"], "holds nothing of the layout brats."),
    ],
)
def test_what_cannot_be_done_is_the_users_error_in_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    complaint: str,
) -> None:
    write_ucsf(tmp_path / "ucsf", 1)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["manifest", *arguments, "--output", "cases.csv"]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "cases.csv").exists()
