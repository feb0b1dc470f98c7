"""Every bad file gives one UserError with a remedy, and nothing on standard error."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_transform, read_volume, write_volume

Maker = Callable[[Path, Volume], Path]
MAKERS: dict[str, tuple[Maker, str]] = {}


def bad(words: str) -> Callable[[Maker], Maker]:
    def register(maker: Maker) -> Maker:
        MAKERS[maker.__name__] = (maker, words)
        return maker

    return register


def written(folder: Path, image: sitk.Image, name: str) -> Path:
    sitk.WriteImage(image, str(folder / name), name.endswith((".nrrd", ".mha")))
    return folder / name


def cut(path: Path, share: float = 0.6) -> Path:
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    return path


@bad("no file")
def missing(folder: Path, volume: Volume) -> Path:
    return folder / "nowhere.nii.gz"


@bad("empty")
def empty_file(folder: Path, volume: Volume) -> Path:
    (folder / "empty.nii.gz").touch()
    return folder / "empty.nii.gz"


@bad("incomplete")
def truncated_gzip(folder: Path, volume: Volume) -> Path:
    return cut(written(folder, volume.to_sitk(), "cut.nii.gz"))


@bad("incomplete")
def whole_gzip_of_a_truncated_image(folder: Path, volume: Volume) -> Path:
    raw = written(folder, volume.to_sitk(), "plain.nii").read_bytes()
    (folder / "cut.nii.gz").write_bytes(gzip.compress(raw[:-100]))
    return folder / "cut.nii.gz"


@bad("incomplete")
def truncated_nii(folder: Path, volume: Volume) -> Path:
    return cut(written(folder, volume.to_sitk(), "cut.nii"))


@bad("incomplete")
def truncated_nrrd(folder: Path, volume: Volume) -> Path:
    return cut(written(folder, volume.to_sitk(), "cut.nrrd"), 0.9)


@bad("incomplete")
def truncated_mha(folder: Path, volume: Volume) -> Path:
    return cut(written(folder, volume.to_sitk(), "cut.mha"), 0.9)


@bad("not a NIfTI image")
def text_named_nii_gz(folder: Path, volume: Volume) -> Path:
    (folder / "text.nii.gz").write_text("This is a letter, not an image.\n" * 40)
    return folder / "text.nii.gz"


@bad("damaged")
def text_named_nrrd(folder: Path, volume: Volume) -> Path:
    (folder / "text.nrrd").write_text("hello\n" * 40)
    return folder / "text.nrrd"


@bad("not a MetaImage")
def text_named_mha(folder: Path, volume: Volume) -> Path:
    (folder / "text.mha").write_text("hello\n" * 40)
    return folder / "text.mha"


@bad("not an image file")
def a_word_document(folder: Path, volume: Volume) -> Path:
    (folder / "letter.docx").write_bytes(b"PK\x03\x04" + bytes(500))
    return folder / "letter.docx"


@bad("single slice")
def two_dimensional(folder: Path, volume: Volume) -> Path:
    return written(folder, volume.to_sitk()[:, :, 0], "flat.nii.gz")


@bad("single slice")
def one_slice_with_three_axes(folder: Path, volume: Volume) -> Path:
    return written(folder, volume.to_sitk()[:, :, 2:3], "thin.nrrd")


@bad("3 values a voxel")
def colour(folder: Path, volume: Volume) -> Path:
    part = sitk.Cast(volume.to_sitk(), sitk.sitkUInt8)
    return written(folder, sitk.Compose(part, part, part), "colour.nrrd")


@bad("3 values a voxel")
def a_deformation_field(folder: Path, volume: Volume) -> Path:
    part = volume.to_sitk()
    return written(folder, sitk.Compose(part, part, part), "field.nii.gz")


@bad("4 frames")
def a_time_series(folder: Path, volume: Volume) -> Path:
    return written(folder, sitk.JoinSeries([volume.to_sitk()] * 4), "time.nii.gz")


@bad("spacing of 0")
def zero_spacing(folder: Path, volume: Volume) -> Path:
    raw = bytearray(written(folder, volume.to_sitk(), "zero.nii").read_bytes())
    raw[80:84] = bytes(4)
    (folder / "zero.nii").write_bytes(raw)
    return folder / "zero.nii"


def patched(folder: Path, volume: Volume, place: int, content: bytes, codes: tuple[int, int] = (1, 1)) -> Path:
    """Write a NIfTI image with other bytes at one place of its header and these codes of q-form and s-form."""
    path = written(folder, volume.to_sitk(), "patched.nii")
    raw = bytearray(path.read_bytes())
    raw[252:256] = np.array(codes, "<i2").tobytes()
    raw[place : place + len(content)] = content
    path.write_bytes(raw)
    return path


@bad("unknown pixel type")
def a_pixel_type_that_does_not_exist(folder: Path, volume: Volume) -> Path:
    return patched(folder, volume, 70, np.int16(9999).tobytes())


@bad("not a number")
def an_sform_that_is_not_a_number(folder: Path, volume: Volume) -> Path:
    return patched(folder, volume, 292, np.float32(np.nan).tobytes())


@bad("not a number")
def a_qform_that_is_not_a_number(folder: Path, volume: Volume) -> Path:
    return patched(folder, volume, 256, np.float32(np.nan).tobytes(), codes=(1, 0))


@bad("does not say so")
def a_compressed_file_named_nii(folder: Path, volume: Volume) -> Path:
    return written(folder, volume.to_sitk(), "packed.nii.gz").rename(folder / "packed.nii")


@bad("right angles")
def sheared_nrrd(folder: Path, volume: Volume) -> Path:
    head = "NRRD0004\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: 2 2 2\n"
    head += "space directions: (1,0,0) (0.6,0.8,0) (0,0,1)\nspace origin: (0,0,0)\nencoding: raw\n\n"
    (folder / "sheared.nrrd").write_bytes(head.encode() + bytes(8))
    return folder / "sheared.nrrd"


@bad("is empty")
def an_empty_folder(folder: Path, volume: Volume) -> Path:
    (folder / "nothing").mkdir()
    return folder / "nothing"


@bad("no DICOM")
def a_folder_without_dicom(folder: Path, volume: Volume) -> Path:
    (folder / "papers").mkdir()
    (folder / "papers" / "readme.txt").write_text("hello")
    return folder / "papers"


@bad("single DICOM")
def one_dicom_file(folder: Path, volume: Volume) -> Path:
    (folder / "IM0001").write_bytes(bytes(128) + b"DICM" + bytes(100))
    return folder / "IM0001"


@pytest.mark.parametrize("name", list(MAKERS))
def test_a_bad_image_is_refused_with_a_remedy_and_without_noise(
    name: str, oblique_grid: Grid, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    maker, words = MAKERS[name]
    values = np.random.default_rng(2).uniform(0, 1000, oblique_grid.shape).astype(np.float32)
    path = maker(tmp_path, Volume(values, oblique_grid))
    capfd.readouterr()
    with pytest.raises(UserError, match=words) as caught:
        read_volume(path)
    assert caught.value.exit_code == 2
    assert caught.value.remedy.endswith((".", ")."))
    assert str(tmp_path) not in caught.value.message + caught.value.remedy
    noise = capfd.readouterr()
    assert noise.out + noise.err == ""


@pytest.mark.parametrize("name", ["t.txt", "t.tfm", "t.h5", "t.mat", "t.docx"])
def test_a_file_that_is_no_transform_is_refused_without_noise(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text("hello\n" * 20)
    with pytest.raises(UserError, match="not a three-dimensional ITK transform"):
        read_transform(tmp_path / name)
    noise = capfd.readouterr()
    assert noise.out + noise.err == ""


def test_a_flat_transform_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    sitk.WriteTransform(sitk.Euler2DTransform(), str(tmp_path / "flat.tfm"))
    with pytest.raises(UserError, match="three-dimensional"):
        read_transform(tmp_path / "flat.tfm")
    with pytest.raises(UserError, match="no transform file"):
        read_transform(tmp_path / "gone.tfm")


@pytest.mark.parametrize("suffix", [".txt", ".tfm", ".h5", ".mat"])
def test_a_rigid_transform_is_read_from_every_itk_format(suffix: str, tmp_path: Path) -> None:
    transform = sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.1, -0.2, 0.3, (4.0, 5.0, 6.0))
    sitk.WriteTransform(transform, str(tmp_path / f"t{suffix}"))
    point = (10.0, -20.0, 30.0)
    moved = read_transform(tmp_path / f"t{suffix}").TransformPoint(point)
    np.testing.assert_allclose(moved, transform.TransformPoint(point), atol=1e-6)


def test_reading_leaves_the_file_as_it_was(oblique_grid: Grid, tmp_path: Path) -> None:
    write_volume(Volume(np.ones(oblique_grid.shape, np.int16), oblique_grid), tmp_path / "a.nii.gz")
    before = (tmp_path / "a.nii.gz").read_bytes()
    read_volume(tmp_path / "a.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]


def test_a_qform_that_is_not_a_number_does_no_harm_beside_a_sound_sform(oblique_grid: Grid, tmp_path: Path) -> None:
    volume = Volume(np.random.default_rng(2).uniform(0, 1000, oblique_grid.shape).astype(np.float32), oblique_grid)
    path = patched(tmp_path, volume, 256, np.float32(np.nan).tobytes())
    assert read_volume(path).grid.is_close(oblique_grid)
