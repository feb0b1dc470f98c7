"""Whatever is wrong with the input is said in two lines, with the right exit code, and nothing is left or changed."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from case_files import Call, CaseFiles, check_said, hashes
from dicom_files import write_series

from LesionLensLib.cli.main import main

REPOSITORY = Path(__file__).resolve().parents[2]
Breaker = Callable[[CaseFiles], Call]
BREAKERS: dict[str, tuple[int, str, Breaker]] = {}


def bad(code: int, says: str) -> Callable[[Breaker], Breaker]:
    """Register a way to break a good call: the exit code it must give and a word its error must contain."""

    def register(breaker: Breaker) -> Breaker:
        BREAKERS[breaker.__name__] = (code, says, breaker)
        return breaker

    return register


def write_sitk(image: sitk.Image, path: Path) -> Path:
    sitk.WriteImage(image, str(path))
    return path


@bad(2, "no file")
def missing_file(case: CaseFiles) -> Call:
    return case.call().with_input("T1", case.folder / "nowhere.nii.gz")


@bad(2, "empty")
def empty_file(case: CaseFiles) -> Call:
    return case.call().with_input("T1", case.file("t1.nii.gz", b""))


@bad(2, "t1.nii.gz")
def truncated_gzip(case: CaseFiles) -> Call:
    content = case.paths["T1"].read_bytes()
    return case.call().with_input("T1", case.file("t1.nii.gz", content[: len(content) // 2]))


@bad(2, "t1.nii")
def truncated_plain_image(case: CaseFiles) -> Call:
    content = gzip.decompress(case.paths["T1"].read_bytes())
    return case.call().with_input("T1", case.file("t1.nii", content[: len(content) // 2]))


@bad(2, "notes.nii.gz")
def text_named_as_an_image(case: CaseFiles) -> Call:
    return case.call().with_input("T1", case.file("notes.nii.gz", b"dear diary\n" * 50))


@bad(2, "not an image")
def picture_of_another_format(case: CaseFiles) -> Call:
    return case.call().with_input("T1", case.file("t1.jpg", b"\xff\xd8\xff\xe0" + bytes(200)))


@bad(2, "slice")
def two_dimensional_image(case: CaseFiles) -> Call:
    image = sitk.GetImageFromArray(case.volume("T1").array[20].astype(np.float32))
    return case.call().with_input("T1", write_sitk(image, case.folder / "flat.nii.gz"))


@bad(2, "values a voxel")
def colour_image(case: CaseFiles) -> Call:
    array = np.repeat(case.volume("T1").array[..., None].astype(np.uint8), 3, axis=-1)
    image = sitk.GetImageFromArray(array, isVector=True)
    return case.call().with_input("T1", write_sitk(image, case.folder / "rgb.nrrd"))


@bad(2, "frames")
def two_frames(case: CaseFiles) -> Call:
    image = case.volume("T1").to_sitk()
    return case.call().with_input("T1", write_sitk(sitk.JoinSeries([image, image]), case.folder / "4d.nii.gz"))


@bad(2, "not numbers")
def image_of_nothing_but_nan(case: CaseFiles) -> Call:
    volume = case.volume("T1")
    nothing = volume.with_array(np.full(volume.array.shape, np.nan, np.float32))
    return case.call().with_input("T1", write_sitk(nothing.to_sitk(), case.folder / "nan.nrrd"))


@bad(2, "not numbers")
def image_with_a_block_of_infinity(case: CaseFiles) -> Call:
    volume = case.volume("T2")
    array = volume.array.astype(np.float32)
    array[:, : array.shape[1] // 2] = np.inf
    return case.call().with_input("T2", write_sitk(volume.with_array(array).to_sitk(), case.folder / "inf.nrrd"))


@bad(2, "FLAIR")
def constant_image(case: CaseFiles) -> Call:
    volume = case.volume("FLAIR")
    return case.call().with_input("FLAIR", case.changed("FLAIR", volume.with_array(np.full_like(volume.array, 7))))


@bad(2, "PET")
def role_the_model_does_not_know(case: CaseFiles) -> Call:
    call = case.call()
    return replace(call, inputs=(*call.inputs, ("PET", case.paths["T1"])))


@bad(2, "T2")
def role_missing(case: CaseFiles) -> Call:
    call = case.call()
    return replace(call, inputs=tuple(pair for pair in call.inputs if pair[0] != "T2"))


@bad(2, "twice")
def role_given_twice(case: CaseFiles) -> Call:
    call = case.call()
    return replace(call, inputs=(*call.inputs, ("T1", case.paths["T1"])))


@bad(2, "No input")
def no_input_at_all(case: CaseFiles) -> Call:
    return replace(case.call(), inputs=())


@bad(2, "same image")
def one_file_for_two_roles(case: CaseFiles) -> Call:
    return case.call().with_input("T2", case.paths["T1"])


@bad(2, "mixed up")
def t1_and_flair_swapped(case: CaseFiles) -> Call:
    return case.call().with_input("T1", case.paths["FLAIR"]).with_input("FLAIR", case.paths["T1"])


@bad(2, "overlap")
def channels_in_different_places(case: CaseFiles) -> Call:
    return case.call().with_input("T2", case.moved("T2", 500.0))


@bad(2, "ROLE=PATH")
def input_without_a_role(case: CaseFiles) -> Call:
    return case.call().plus("--input", str(case.paths["T1"]))


@bad(2, "not empty")
def existing_result_without_overwrite(case: CaseFiles) -> Call:
    other = case.folder / "earlier"
    other.mkdir()
    (other / "report.json").write_text('{"tool": {"name": "lesionlens"}}')
    return replace(case.call(), output=other)


@bad(2, "no result of LesionLens")
def overwriting_a_folder_that_is_no_result(case: CaseFiles) -> Call:
    other = case.folder / "thesis"
    other.mkdir()
    (other / "chapter1.txt").write_text("years")
    return replace(case.call().plus("--overwrite"), output=other)


@bad(2, "is a file")
def output_that_is_a_file(case: CaseFiles) -> Call:
    return replace(case.call().plus("--overwrite"), output=case.file("out", b"mine"))


@bad(2, "inside an input")
def output_on_top_of_an_input(case: CaseFiles) -> Call:
    copy = case.file("t1.nii.gz", case.paths["T1"].read_bytes())
    return replace(case.call().with_input("T1", copy).plus("--overwrite"), output=copy)


@bad(2, "inside an input")
def output_inside_a_dicom_folder(case: CaseFiles) -> Call:
    series = write_series(case.volume("T1"), case.folder / "series")
    return replace(case.call().with_input("T1", series), output=series / "out")


@bad(2, "cannot be created")
def output_below_a_file(case: CaseFiles) -> Call:
    return replace(case.call(), output=case.file("file", b"x") / "out")


@bad(2, "not a three-dimensional ITK transform")
def transform_that_is_none(case: CaseFiles) -> Call:
    return case.call().plus("--transform", f"T1={case.file('t1.tfm', b'not a transform')}")


@bad(2, "transform")
def transform_that_is_missing(case: CaseFiles) -> Call:
    return case.call().plus("--transform", f"T1={case.folder / 'gone.tfm'}")


@bad(2, "no image of that role")
def transform_for_a_role_without_image(case: CaseFiles) -> Call:
    return case.call().plus("--transform", "PET=pet.tfm")


@bad(2, "mask is empty")
def empty_brain_mask(case: CaseFiles) -> Call:
    brain = case.volume("brain")
    path = case.changed("brain", brain.with_array(np.zeros_like(brain.array)))
    return case.call().plus("--mask", f"brain={path}")


@bad(2, "outside FLAIR")
def brain_mask_somewhere_else(case: CaseFiles) -> Call:
    return case.call().plus("--mask", f"brain={case.moved('brain', 800.0)}")


@bad(2, "one mask")
def mask_of_another_kind(case: CaseFiles) -> Call:
    return case.call().plus("--mask", f"lesion={case.paths['lesion']}")


@bad(2, "not a probability")
def threshold_above_one(case: CaseFiles) -> Call:
    return case.call().plus("--threshold", "2")


@bad(2, "not a probability")
def threshold_nan(case: CaseFiles) -> Call:
    return case.call().plus("--threshold", "nan")


@bad(2, "not a volume")
def negative_smallest_volume(case: CaseFiles) -> Call:
    return case.call().plus("--min-volume-ml", "-1")


@bad(2, "seed")
def negative_seed(case: CaseFiles) -> Call:
    return case.call().plus("--seed", "-1")


@bad(2, "no model")
def unknown_model(case: CaseFiles) -> Call:
    return replace(case.call(), model="brain-o-matic")


def copy_of_model(case: CaseFiles) -> Path:
    return Path(shutil.copytree(case.model, case.folder / "model"))


@bad(2, "model card")
def model_card_with_a_wrong_field(case: CaseFiles) -> Call:
    model = copy_of_model(case)
    card = json.loads((model / "card.json").read_text())
    (model / "card.json").write_text(json.dumps(card | {"threshold": "high"}))
    return replace(case.call(), model=model)


@bad(2, "do not fit")
def model_card_of_another_network(case: CaseFiles) -> Call:
    model = copy_of_model(case)
    card = json.loads((model / "card.json").read_text())
    card["network"]["base_width"] = 16
    (model / "card.json").write_text(json.dumps(card))
    return replace(case.call(), model=model)


@bad(3, "hash differs")
def weights_with_one_changed_byte(case: CaseFiles) -> Call:
    model = copy_of_model(case)
    content = bytearray((model / "weights.safetensors").read_bytes())
    content[-7] ^= 1
    (model / "weights.safetensors").write_bytes(content)
    return replace(case.call(), model=model)


@bad(3, "missing")
def weights_missing(case: CaseFiles) -> Call:
    model = copy_of_model(case)
    (model / "weights.safetensors").unlink()
    return replace(case.call(), model=model)


@bad(3, "cuda:99")
def gpu_that_does_not_exist(case: CaseFiles) -> Call:
    return case.call().plus("--device", "cuda:99")


@bad(2, "device tpu")
def device_of_unknown_kind(case: CaseFiles) -> Call:
    return case.call().plus("--device", "tpu")


@bad(2, "slice")
def dicom_series_with_slices_missing(case: CaseFiles) -> Call:
    series = write_series(case.volume("T1"), case.folder / "series", without=[10, 11, 12])
    return case.call().with_input("T1", series)


@bad(2, "DICOM")
def folder_without_dicom(case: CaseFiles) -> Call:
    folder = case.folder / "series"
    folder.mkdir()
    (folder / "readme.txt").write_text("nothing here")
    return case.call().with_input("T1", folder)


@bad(2, "series")
def two_dicom_series_in_one_folder(case: CaseFiles) -> Call:
    folder = write_series(case.volume("T1"), case.folder / "series", series="1")
    write_series(case.volume("T2"), folder, series="2")
    return case.call().with_input("T1", folder)


@bad(2, "right angles")
def sheared_image(case: CaseFiles) -> Call:
    content = bytearray(gzip.decompress(case.paths["T1"].read_bytes()))
    rows = np.frombuffer(content, "<f4", count=12, offset=280).reshape(3, 4).copy()
    rows[:, 0] += 0.6 * rows[:, 1]
    content[280 : 280 + 48] = rows.astype("<f4").tobytes()
    content[252:256] = np.array([0, 1], "<i2").tobytes()
    return case.call().with_input("T1", case.file("t1.nii.gz", gzip.compress(bytes(content))))


def test_the_table_of_bad_inputs_is_long_enough() -> None:
    assert len(BREAKERS) >= 25


@pytest.mark.parametrize("name", list(BREAKERS))
def test_bad_input_is_explained_and_leaves_nothing(
    name: str, case_files: CaseFiles, capfd: pytest.CaptureFixture[str]
) -> None:
    code, says, breaker = BREAKERS[name]
    call = breaker(case_files)
    before = hashes(case_files.folder) | hashes(case_files.paths["T1"].parent)
    assert main(call.arguments()) == code
    check_said(capfd.readouterr().err, says)
    assert hashes(case_files.folder) | hashes(case_files.paths["T1"].parent) == before
    assert not case_files.output.exists()
    assert [path.name for path in case_files.folder.rglob("*.partial*")] == []


def test_the_unbroken_case_is_good_or_the_table_would_prove_nothing(case_files: CaseFiles) -> None:
    assert main(case_files.call().arguments()) == 0
    assert (case_files.output / "report.json").is_file()
