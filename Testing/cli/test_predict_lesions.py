"""Which lesions `lesionlens predict` takes from masks and contours, and that each gets a prediction of its own."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from pet_files import structure_set
from predict_files import SEGMENTATION, PredictFiles, ball, report_of, result_of, tumour_ras
from sarcoma_cases import GRID
from scipy import ndimage

from LesionLensLib.cli.main import main
from LesionLensLib.geometry import flip_lps_ras
from LesionLensLib.images import Volume, read_volume
from LesionLensLib.inference.predict import run_predict
from LesionLensLib.jobs import PredictJob
from LesionLensLib.progress import SilentProgress


def test_contours_of_a_structure_set_are_as_good_as_a_mask(predict_files: PredictFiles) -> None:
    """A square of 5 x 5 voxels on four slices; the oedema around it is another region and must be left out."""

    def square(half: float, k: int) -> np.ndarray:
        corners = np.array([(13, 11)]) + half * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
        return flip_lps_ras(GRID.ras_from_ijk(np.column_stack([corners, np.full(4, k)])))

    rois = {
        "GTV_Edema": [square(6.4, k) for k in range(5, 12)],
        "GTV_Mass": [square(2.4, k) for k in range(7, 11)],
    }
    drawn = predict_files.folder / "contours.dcm"
    structure_set(rois).save_as(drawn, enforce_file_format=True)
    array = np.zeros(GRID.shape, np.uint8)
    array[7:11, 9:14, 11:16] = 1
    answers = []
    for name, path in (("contours", drawn), ("mask", predict_files.written("square", Volume(array, GRID)))):
        call = predict_files.call(name).with_mask(path)
        assert main(call.arguments()) == 0
        answers.append(result_of(call.output))
    assert answers[0] == answers[1]
    assert answers[0]["given_volume_ml"] == pytest.approx(100 * GRID.voxel_ml)


def test_every_lesion_of_a_mask_gets_the_prediction_it_gets_alone(predict_files: PredictFiles) -> None:
    large = ball(13.0, tumour_ras())
    place = tumour_ras() + np.array([34.0, 6.0, 12.0])
    small = ball(8.0, place)
    pet = predict_files.volumes["PET"]
    two_hot = predict_files.written("two", pet.with_array(pet.array + 9 * ball(10.0, place, pet.grid)))
    assert not np.any(ndimage.binary_dilation(large, iterations=2) & (small != 0))
    speck = np.zeros_like(large)
    speck[2, 2, 2] = 1
    masks = {"both": large | small | speck, "large": large, "small": small}
    found = {}
    for name, array in masks.items():
        path = predict_files.written(f"mask-{name}", Volume(array, GRID))
        call = predict_files.call(name).with_input("PET", two_hot).with_mask(path)
        assert main(call.arguments()) == 0
        found[name] = result_of(call.output)
    both = found["both"]
    assert both["lesion_count"] == len(both["lesions"]) == 2, "the speck is below the smallest volume of the card"
    for record, alone in zip(both["lesions"], (found["large"], found["small"]), strict=True):
        for field in ("probability", "interval", "class", "tumour_volume_ml", "given_volume_ml", "typicality"):
            assert record[field] == alone[field], field
    assert both["lesions"][0]["probability"] != both["lesions"][1]["probability"]
    assert both["probability"] == both["lesions"][0]["probability"], "the patient's fields are the largest lesion's"
    outline = read_volume(predict_files.folder / "both" / SEGMENTATION)
    single = [read_volume(predict_files.folder / name / SEGMENTATION).array != 0 for name in ("large", "small")]
    assert np.array_equal(outline.array != 0, single[0] | single[1])
    assert set(np.unique(outline.array)) == {0, 1, 2}
    only_one = single[0] ^ single[1]
    assert np.array_equal((outline.array == 1)[only_one], single[0][only_one])
    image = sitk.ReadImage(str(predict_files.folder / "both" / SEGMENTATION))
    assert [image.GetMetaData(f"Segment{n}_ID") for n in (0, 1)] == ["tumour-1", "tumour-2"]
    codes = [finding["code"] for finding in report_of(predict_files.folder / "both")["findings"]]
    assert "several-lesions" in codes
    assert "beyond-field-of-view" not in codes


def test_a_lesion_larger_than_the_view_is_said_to_be(predict_files: PredictFiles) -> None:
    long = np.zeros(GRID.shape, np.uint8)
    long[2:16, 9:13, 11:15] = 1
    assert main(predict_files.call().with_mask(predict_files.written("long", Volume(long, GRID))).arguments()) == 0
    report = report_of(predict_files.call().output)
    # 84 mm long, tilted by up to 17 degrees in a view of 48 mm.
    assert report["result"]["outside_view"] == pytest.approx(1 - 48 / 84, abs=0.06)
    found = next(finding for finding in report["findings"] if finding["code"] == "beyond-field-of-view")
    assert "% of lesion 1 lie outside" in found["text"]


def test_the_bar_never_runs_back_with_several_lesions(predict_files: PredictFiles) -> None:
    place = tumour_ras() + np.array([34.0, 6.0, 12.0])
    both = Volume(ball(13.0, tumour_ras()) | ball(8.0, place), GRID)
    job = PredictJob(
        inputs=tuple((role, str(path)) for role, path in predict_files.call().inputs),
        output=str(predict_files.folder / "result"), model=str(predict_files.model), device="cpu",
        lesion_mask=str(predict_files.written("both", both)),
    )  # fmt: skip
    told: list[tuple[float, str]] = []

    class Listening(SilentProgress):
        def update(self, phase: str, fraction: float, text: str) -> None:
            told.append((fraction, text))

    run_predict(job, Listening())
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert {text.split(":")[0] for _, text in told} >= {"lesion 1", "lesion 2"}
