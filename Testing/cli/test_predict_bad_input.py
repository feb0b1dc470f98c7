"""Whatever is wrong with a case to predict is said in two lines, with the right exit code, and nothing is left."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from case_files import check_said, hashes
from dicom_files import write_series
from pet_files import dose_item, write_pet
from predict_files import PredictCall, PredictFiles, tumour_ras
from pydicom.uid import generate_uid
from sarcoma_cases import GRID
from tiny_outcome_model import changed_model

from LesionLensLib.cli.main import main
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, write_volume

Breaker = Callable[[PredictFiles], PredictCall]
BREAKERS: dict[str, tuple[int, str, Breaker]] = {}


def bad(code: int, says: str) -> Callable[[Breaker], Breaker]:
    """Register a way to break a good call: the exit code it must give and a word its error must contain."""

    def register(breaker: Breaker) -> Breaker:
        BREAKERS[breaker.__name__] = (code, says, breaker)
        return breaker

    return register


def raw_pet(files: PredictFiles) -> Volume:
    """Return the PET in whole Bq/ml."""
    pet = files.volumes["PET"]
    return pet.with_array(np.round(pet.array * 370e6 / 2 / 70e3).astype(np.int16))


def shifted(volume: Volume, shift_mm: float) -> Volume:
    grid = volume.grid
    x, y, z = grid.origin_lps
    return Volume(volume.array, Grid(grid.size, grid.spacing_mm, (x + shift_mm, y, z), grid.direction_lps))


def mask_of(files: PredictFiles, array: np.ndarray) -> PredictCall:
    return files.call().with_mask(files.written("mask", Volume(array, GRID)))


def empty() -> np.ndarray:
    return np.zeros(GRID.shape, np.uint8)


@bad(2, "Patient's Weight (0010,1030)")
def weight_missing(files: PredictFiles) -> PredictCall:
    series = write_pet(raw_pet(files), files.folder / "pet", PatientWeight=None)
    return files.call().with_input("PET", series)


@bad(2, "Radionuclide Total Dose (0018,1074)")
def dose_missing(files: PredictFiles) -> PredictCall:
    series = write_pet(raw_pet(files), files.folder / "pet", dose_item(RadionuclideTotalDose=None))
    return files.call().with_input("PET", series)


@bad(2, "Radionuclide Total Dose (0018,1074)")
def another_tag_than_the_assumed_one_missing(files: PredictFiles) -> PredictCall:
    series = write_pet(raw_pet(files), files.folder / "pet", dose_item(RadionuclideTotalDose=None))
    return files.call().with_input("PET", series).plus("--assume-weight-kg", "70")


@bad(2, "Units (0054,1001)")
def units_missing(files: PredictFiles) -> PredictCall:
    return files.call().with_input("PET", write_pet(raw_pet(files), files.folder / "pet", Units=None))


@bad(2, "no PET")
def other_series_in_place_of_the_pet(files: PredictFiles) -> PredictCall:
    return files.call().with_input("PET", write_series(raw_pet(files), files.folder / "series"))


@bad(2, "different frames of reference")
def pet_and_ct_of_different_frames(files: PredictFiles) -> PredictCall:
    pet = write_pet(raw_pet(files), files.folder / "pet", FrameOfReferenceUID=generate_uid())
    return files.call().with_input("PET", pet).with_input("CT", ct_series(files))


@bad(2, "different patients")
def pet_of_another_patient(files: PredictFiles) -> PredictCall:
    pet = write_pet(raw_pet(files), files.folder / "pet", PatientID="other")
    return files.call().with_input("PET", pet).with_input("CT", ct_series(files))


def ct_series(files: PredictFiles) -> Path:
    """Write the CT as a series whose slices are in right-handed order, as DICOM has them."""
    ct = files.volumes["CT"]
    folder = write_series(ct.with_array(np.round(ct.array).astype(np.int16)), files.folder / "ct")
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        data.Modality = "CT"
        data.save_as(path, enforce_file_format=True)
    return folder


@bad(2, "is empty")
def empty_mask(files: PredictFiles) -> PredictCall:
    return mask_of(files, empty())


@bad(2, "not whole numbers")
def probability_as_mask(files: PredictFiles) -> PredictCall:
    return mask_of(files, files.volumes["lesion"].array * np.float32(0.7))


@bad(2, "outside CT")
def mask_beside_the_image(files: PredictFiles) -> PredictCall:
    return files.call().with_mask(files.written("mask", shifted(files.volumes["lesion"], 600.0)))


@bad(2, "144 separate lesions")
def mask_of_a_hundred_spots(files: PredictFiles) -> PredictCall:
    array = empty()
    for k in range(2):
        for j in range(2):
            for i in range(2):
                array[1 + k :: 4, 1 + j :: 4, 1 + i :: 4] = 1
    array[17:], array[:, 23:], array[:, :, 24:] = 0, 0, 0
    return mask_of(files, array)


@bad(2, "no lesion of at least 0.5 ml")
def mask_of_specks(files: PredictFiles) -> PredictCall:
    array = empty()
    array[3, 3, 3] = array[9, 9, 9] = 1
    return mask_of(files, array)


@bad(2, "no file")
def missing_mask(files: PredictFiles) -> PredictCall:
    return files.call().with_mask(files.folder / "nowhere.nii.gz")


@bad(2, "no RT structure set")
def folder_of_slices_as_mask(files: PredictFiles) -> PredictCall:
    return files.call().with_mask(write_series(raw_pet(files), files.folder / "series"))


@bad(2, "PET looks like a CT")
def pet_and_ct_swapped(files: PredictFiles) -> PredictCall:
    call = files.call()
    return call.with_input("PET", files.paths["CT"]).with_input("CT", files.paths["PET"])


@bad(2, "not in SUV")
def pet_in_becquerels(files: PredictFiles) -> PredictCall:
    pet = files.volumes["PET"]
    return files.call().with_input("PET", files.written("bq", pet.with_array(pet.array * np.float32(5000))))


@bad(2, "also needs CT")
def channel_missing(files: PredictFiles) -> PredictCall:
    call = files.call()
    return replace(call, inputs=call.inputs[:1])


@bad(2, "no channel T1")
def channel_the_model_does_not_know(files: PredictFiles) -> PredictCall:
    call = files.call()
    return replace(call, inputs=(*call.inputs, ("T1", files.paths["CT"])))


@bad(2, "no channel lesion")
def mask_given_as_input(files: PredictFiles) -> PredictCall:
    call = files.call()
    return replace(call, inputs=(*call.inputs, ("lesion", files.paths["lesion"])))


@bad(2, "twice")
def channel_given_twice(files: PredictFiles) -> PredictCall:
    call = files.call()
    return replace(call, inputs=(*call.inputs, ("CT", files.paths["PET"])))


@bad(2, "same image")
def one_file_for_both_channels(files: PredictFiles) -> PredictCall:
    return files.call().with_input("PET", files.paths["CT"])


@bad(2, "not numbers")
def pet_with_nan(files: PredictFiles) -> PredictCall:
    pet = files.volumes["PET"]
    array = pet.array.copy()
    array[3] = np.nan
    path = files.folder / "nan.nrrd"
    write_volume(pet.with_array(array), path)
    return files.call().with_input("PET", path)


@bad(2, "empty: every voxel")
def constant_pet(files: PredictFiles) -> PredictCall:
    pet = files.volumes["PET"]
    return files.call().with_input("PET", files.written("flat", pet.with_array(np.ones_like(pet.array))))


@bad(2, "do not overlap")
def pet_elsewhere(files: PredictFiles) -> PredictCall:
    return files.call().with_input("PET", files.written("far", shifted(files.volumes["PET"], 900.0)))


@bad(2, "PET does not show the lesion: 100 % of it lie outside")
def pet_that_ends_before_the_lesion(files: PredictFiles) -> PredictCall:
    pet, at = files.volumes["PET"], files.volumes["PET"].grid.ijk_from_ras(tumour_ras())
    first = int(at[2]) + 5
    part = pet.grid.cropped((0, 0, first), (*pet.grid.size[:2], pet.grid.size[2] - first))
    return files.call().with_input("PET", files.written("part", Volume(pet.array[first:], part)))


@bad(2, "PET does not show the lesion")
def pet_that_ends_before_the_point(files: PredictFiles) -> PredictCall:
    point = ",".join(f"{part:.3f}" for part in tumour_ras())
    return replace(pet_that_ends_before_the_lesion(files), place=(f"--center={point}",))


@bad(2, "half.nii.gz")
def truncated_pet(files: PredictFiles) -> PredictCall:
    content = files.paths["PET"].read_bytes()
    path = files.folder / "half.nii.gz"
    path.write_bytes(content[: len(content) // 2])
    return files.call().with_input("PET", path)


@bad(2, "place of the lesion is not given")
def nowhere(files: PredictFiles) -> PredictCall:
    return replace(files.call(), place=())


@bad(2, "given twice, as mask and as point")
def mask_and_point(files: PredictFiles) -> PredictCall:
    return files.call().plus("--center", "1,2,3")


@bad(2, "not three numbers")
def point_of_two_numbers(files: PredictFiles) -> PredictCall:
    return replace(files.call(), place=("--center", "1,2"))


@bad(2, "not three numbers")
def point_in_words(files: PredictFiles) -> PredictCall:
    return replace(files.call(), place=("--center", "left,thigh,middle"))


@bad(2, "outside of CT")
def point_outside(files: PredictFiles) -> PredictCall:
    return replace(files.call(), place=("--center=-900,0,0",))


@bad(2, "no model of the brain")
def mask_of_a_brain_for_a_sarcoma_model(files: PredictFiles) -> PredictCall:
    return files.call().plus("--mask", f"brain={files.paths['lesion']}")


@bad(2, "place of the lesion is not given")
def mask_of_the_brain_alone(files: PredictFiles) -> PredictCall:
    return replace(files.call(), place=("--mask", f"brain={files.paths['lesion']}"))


@bad(2, "one mask of a kind")
def mask_of_something_else(files: PredictFiles) -> PredictCall:
    return files.call().plus("--mask", f"bone={files.paths['lesion']}")


@bad(2, "weight kg cannot be 7000")
def weight_of_an_elephant(files: PredictFiles) -> PredictCall:
    return files.call().plus("--assume-weight-kg", "7000")


@bad(2, "no model")
def unknown_model(files: PredictFiles) -> PredictCall:
    return replace(files.call(), model="chmfl-unknown")


@bad(2, "unknown normalization: petct-magic")
def unknown_normalization(files: PredictFiles) -> PredictCall:
    model = changed_model(files.model, files.folder / "model", normalization="petct-magic")
    return replace(files.call(), model=model)


@bad(2, "do not fit the networks")
def card_of_other_networks(files: PredictFiles) -> PredictCall:
    model = changed_model(files.model, files.folder / "model", ensemble={"members": 2, "folds": 5, "views": 2})
    return replace(files.call(), model=model)


@bad(2, "needs the outline of the lesion")
def point_for_a_model_that_sees_the_mask(files: PredictFiles) -> PredictCall:
    card = json.loads((files.model / "card.json").read_text())
    channels = [*card["channel_def"], {"role": "lesion", "modality": "SEG"}]
    model = changed_model(files.model, files.folder / "model", channel_def=channels)
    center = ",".join(f"{part:.3f}" for part in GRID.ras_from_ijk((12, 12, 9)))
    return replace(files.call(), model=model, place=(f"--center={center}",))


@bad(3, "hash differs")
def weights_changed(files: PredictFiles) -> PredictCall:
    model = changed_model(files.model, files.folder / "model")
    content = bytearray((model / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (model / "weights.safetensors").write_bytes(bytes(content))
    return replace(files.call(), model=model)


@bad(3, "typicality.json")
def typicality_changed(files: PredictFiles) -> PredictCall:
    model = changed_model(files.model, files.folder / "model")
    (model / "typicality.json").write_text((model / "typicality.json").read_text() + " ")
    return replace(files.call(), model=model)


@bad(3, "typicality.json")
def typicality_missing(files: PredictFiles) -> PredictCall:
    model = changed_model(files.model, files.folder / "model")
    (model / "typicality.json").unlink()
    return replace(files.call(), model=model)


@bad(3, "cannot be used")
def absent_device(files: PredictFiles) -> PredictCall:
    if torch.cuda.device_count() > 7:
        pytest.skip("this computer has that many GPUs")
    return files.call().plus("--device", "cuda:7")


@bad(2, "holds or lies inside an input")
def output_inside_an_input(files: PredictFiles) -> PredictCall:
    series = write_pet(raw_pet(files), files.folder / "pet")
    return replace(files.call().with_input("PET", series), output=series / "result")


@pytest.mark.parametrize("name", list(BREAKERS))
def test_bad_input_is_explained_and_leaves_nothing(
    name: str, predict_files: PredictFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    code, says, breaker = BREAKERS[name]
    call = breaker(predict_files)
    kept = predict_files.paths["PET"].parent
    before = hashes(predict_files.folder) | hashes(kept) | hashes(predict_files.model)
    assert main(call.arguments()) == code
    check_said(capsys.readouterr().err, says)
    assert hashes(predict_files.folder) | hashes(kept) | hashes(predict_files.model) == before
    assert not call.output.exists()
    assert [path.name for path in predict_files.folder.rglob("*.partial*")] == []


def test_the_unbroken_dicom_case_is_good_or_the_table_would_prove_nothing(predict_files: PredictFiles) -> None:
    pet = write_pet(raw_pet(predict_files), predict_files.folder / "pet")
    call = predict_files.call().with_input("PET", pet).with_input("CT", ct_series(predict_files))
    assert main(call.arguments()) == 0


def test_an_existing_result_is_only_replaced_when_asked(
    predict_files: PredictFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    call = predict_files.call()
    assert main(call.arguments()) == 0
    before = hashes(call.output)
    capsys.readouterr()
    assert main(call.arguments()) == 2
    check_said(capsys.readouterr().err, "exists and is not empty")
    assert hashes(call.output) == before
    assert main(call.plus("--overwrite").arguments()) == 0


@pytest.mark.parametrize(("command", "says"), [("segment", "predicts an outcome"), ("predict", "predicts no outcome")])
def test_a_model_of_the_other_kind_is_refused(
    command: str, says: str, predict_files: PredictFiles, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = predict_files.call()
    if command == "segment":
        arguments = ["segment", *replace(call, place=()).arguments()[1:]]
    else:
        arguments = replace(call, model=tiny_model).arguments()
    assert main(arguments) == 2
    check_said(capsys.readouterr().err, says)
    assert not call.output.exists()
