"""The table of cases: relative paths, and errors that name the line."""

from pathlib import Path

import pytest

from LesionLensLib.errors import UserError
from LesionLensLib.manifest import read_manifest


def write(folder: Path, text: str) -> Path:
    path = folder / "cases.csv"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_table_and_empty_cells_are_absent(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").touch()
    rows = read_manifest(write(tmp_path, "case,patient,T1,lesion,split\none,p1,a.nii.gz,,train\n"))
    assert rows[0].files == {"T1": tmp_path / "a.nii.gz"}
    assert (rows[0].case, rows[0].patient, rows[0].split) == ("one", "p1", "train")
    assert rows[0].has("T1")
    assert not rows[0].has("T1", "lesion")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("case,T1\none,\n", "lacks the columns"),
        ("case,patient\none,p\none,p\n", "empty or twice"),
        ("case,patient\n,p\n", "empty or twice"),
        ("case,patient,T1\none,p,missing.nii.gz\n", "column T1 of case one"),
    ],
)
def test_a_wrong_table_is_refused_in_words(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        read_manifest(write(tmp_path, text))


def test_a_missing_table_is_the_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_manifest(tmp_path / "none.csv")
