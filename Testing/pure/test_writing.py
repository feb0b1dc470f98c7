"""Files appear whole or not at all, and the segmentation file says what Slicer needs to know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Segment, Volume, read_volume, write_segmentation, write_volume

FILL_THE_DISK = """
import resource, sys
import numpy as np
from pathlib import Path
from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, write_volume
grid = Grid((60, 60, 40), (1, 1, 1), (0, 0, 0))
volume = Volume(np.random.default_rng(0).random(grid.shape, dtype=np.float32), grid)
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
for name in ("a.nii.gz", "a.nii", "a.nrrd", "a.mha"):
    try:
        write_volume(volume, folder / name)
    except EnvironmentFault as error:
        print(name, error.exit_code, "space" in error.remedy, len(list(folder.iterdir())))
"""


def test_a_disk_that_takes_no_more_gives_code_3_and_leaves_no_file(tmp_path: Path) -> None:
    repository = Path(__file__).resolve().parents[2]
    run = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(tmp_path)], cwd=repository, capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines() == [f"{name} 3 True 0" for name in ("a.nii.gz", "a.nii", "a.nrrd", "a.mha")]


def test_a_failed_write_leaves_the_file_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = Grid((4, 4, 4), (1, 1, 1), (0, 0, 0))
    write_volume(Volume(np.ones(grid.shape, np.uint8), grid), tmp_path / "a.nrrd")

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(EnvironmentFault, match=r"a\.nrrd could not be written"):
        write_volume(Volume(np.zeros(grid.shape, np.uint8), grid), tmp_path / "a.nrrd")
    monkeypatch.undo()
    assert read_volume(tmp_path / "a.nrrd").array.min() == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.nrrd"]


def test_a_missing_folder_is_the_environments_fault_and_a_strange_suffix_the_users(tmp_path: Path) -> None:
    volume = Volume(np.zeros((2, 2, 2), np.uint8), Grid((2, 2, 2), (1, 1, 1), (0, 0, 0)))
    with pytest.raises(EnvironmentFault):
        write_volume(volume, tmp_path / "no" / "a.nrrd")
    with pytest.raises(UserError, match="suffix"):
        write_volume(volume, tmp_path / "a.jpg")


def test_writing_twice_gives_the_same_bytes(oblique_grid: Grid, tmp_path: Path) -> None:
    volume = Volume(np.random.default_rng(1).random(oblique_grid.shape, dtype=np.float32), oblique_grid)
    for suffix in (".nii.gz", ".nrrd", ".mha"):
        write_volume(volume, tmp_path / f"a{suffix}")
        write_volume(volume, tmp_path / f"b{suffix}")
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


TERMINOLOGY = (
    "Category~SCT^49755003^Morphologically Abnormal Structure~SCT^4147007^Mass~^^~Region~SCT^12738006^Brain~^^"
)
SEGMENTS = (Segment("lesion", "MS lesions", 1, (0.9, 0.2, 0.1), TERMINOLOGY), Segment("brain", "Brain", 2, (0, 0.5, 1)))


def test_a_segmentation_file_names_id_colour_value_and_terminology_of_each_segment(
    oblique_grid: Grid, tmp_path: Path
) -> None:
    labels = np.random.default_rng(0).integers(0, 3, oblique_grid.shape)
    write_segmentation(Volume(labels, oblique_grid), SEGMENTS, tmp_path / "s.seg.nrrd")
    image = sitk.ReadImage(str(tmp_path / "s.seg.nrrd"))
    said = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.startswith("Segment")}
    assert said["Segment0_ID"] == "lesion"
    assert said["Segment0_Color"] == "0.9 0.2 0.1"
    assert said["Segment0_Extent"] == "0 12 0 10 0 6"
    assert said["Segment0_Tags"] == f"TerminologyEntry:{TERMINOLOGY}|"
    assert (said["Segment1_Name"], said["Segment1_LabelValue"], said["Segment1_Layer"]) == ("Brain", "2", "0")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), labels)
    assert read_volume(tmp_path / "s.seg.nrrd").grid.is_close(oblique_grid, 1e-9)


def test_a_label_without_a_segment_is_a_programming_error(oblique_grid: Grid, tmp_path: Path) -> None:
    labels = Volume(np.full(oblique_grid.shape, 7, np.uint8), oblique_grid)
    with pytest.raises(ValueError, match="7"):
        write_segmentation(labels, SEGMENTS, tmp_path / "s.seg.nrrd")
    with pytest.raises(ValueError, match="whole numbers"):
        write_segmentation(labels.with_array(np.full(oblique_grid.shape, 0.5)), SEGMENTS, tmp_path / "s.seg.nrrd")
    assert list(tmp_path.iterdir()) == []
