"""DICOM segmentation, maps and report: other programs read from them what was put in, at the same place."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_results import (
    PATIENT,
    FinishedResult,
    finished_result,
    lesion_record,
    map_by_dcmqi,
    report_by_dcmqi,
    segments_by_dcmqi,
)

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images.resample import resample
from LesionLensLib.images.segmentation_file import Segment, read_segmentation, write_segmentation
from LesionLensLib.images.volume import Volume
from LesionLensLib.outcome_card import SIMULATED_NOTE

highdicom = pytest.importorskip("highdicom", reason="highdicom is not installed (optional group: dicom)")

from LesionLensLib.dicom_out.write import write_dicom  # noqa: E402

TWO_LESIONS = {
    "event": "lung metastasis",
    "method": "occlusion",
    "lesions": [lesion_record(1, 0.4123), lesion_record(2, 0.25)],
}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> FinishedResult:
    """A prediction of two outlined lesions with its DICOM objects; tests only read it."""
    result = finished_result(tmp_path_factory.mktemp("real"), "chmfl-sarcoma")
    write_dicom(result.folder, result.files, result.card, TWO_LESIONS)
    return result


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> FinishedResult:
    """The same by a model whose outcome is simulated, without an outline."""
    result = finished_result(tmp_path_factory.mktemp("simulated"), "attention-resnet-brainmet")
    (result.folder / "segmentation.seg.nrrd").unlink()
    write_dicom(result.folder, result.files, result.card, TWO_LESIONS)
    return result


def read(result: FinishedResult, name: str) -> pydicom.Dataset:
    return pydicom.dcmread(result.folder / "dicom" / f"{name}.dcm")


def grid_of(volume: Any) -> Grid:
    """Return the grid of a highdicom volume, whose axes are k, j, i."""
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.affine[:, [2, 1, 0, 3]]
    return Grid.from_ijk_to_ras(ras, volume.spatial_shape[::-1])


def test_highdicom_reads_the_same_voxels_at_the_same_place(real: FinishedResult) -> None:
    read_back = highdicom.seg.segread(real.folder / "dicom" / "segmentation.dcm").get_volume(combine_segments=True)
    back = Volume(read_back.array, grid_of(read_back))
    np.testing.assert_array_equal(resample(back, real.labels.grid, "nearest").array, real.labels.array)
    shown = highdicom.imread(real.folder / "dicom" / "map.dcm").get_volume(apply_real_world_transform=True)
    back = resample(Volume(shown.array.astype(np.float32), grid_of(shown)), real.map.grid, "nearest")
    np.testing.assert_array_equal(back.array, real.map.array)


def test_dcmqi_reads_the_same_segments_at_the_same_place(real: FinishedResult, tmp_path: Path) -> None:
    segments, described = segments_by_dcmqi(real.folder / "dicom" / "segmentation.dcm", tmp_path / "o")
    assert len(segments) == 2
    for number, segment in enumerate(segments, start=1):
        back = resample(segment, real.labels.grid, "nearest")
        np.testing.assert_array_equal(back.array != 0, real.labels.array == number)
    kinds = [one["SegmentedPropertyTypeCodeSequence"]["CodeValue"] for (one,) in described["segmentAttributes"]]
    assert kinds == ["108369006", "108369006"]


def test_dcmqi_reads_the_same_map_at_the_same_place(real: FinishedResult, tmp_path: Path) -> None:
    back, described = map_by_dcmqi(real.folder / "dicom" / "map.dcm", tmp_path / "o")
    assert back.grid.is_close(real.map.grid, 1e-3)
    np.testing.assert_array_equal(back.array.astype(np.float32), real.map.array)
    assert described["QuantityValueCode"]["CodeMeaning"] == "Saliency"
    assert described["AnatomicRegionSequence"]["CodeMeaning"] == "Soft tissue"


def test_dcmqi_finds_every_lesion_in_the_report_with_its_outline(real: FinishedResult, tmp_path: Path) -> None:
    report = report_by_dcmqi(real.folder / "dicom" / "report.dcm", tmp_path / "o")
    segmentation = read(real, "segmentation")
    groups = report["Measurements"]
    assert [group["ReferencedSegment"] for group in groups] == [1, 2]
    assert {group["segmentationSOPInstanceUID"] for group in groups} == {segmentation.SOPInstanceUID}
    values = {item["quantity"]["CodeMeaning"]: float(item["value"]) for item in groups[0]["measurementItems"]}
    assert values["Volume"] == 3.25
    assert values["Probability of lung metastasis, research"] == 0.4123
    assert values["Lower end of the 95 % interval of the probability"] == 0.21
    tracked = [one.TrackingUID for one in segmentation.SegmentSequence]
    assert [group["TrackingUniqueIdentifier"] for group in groups] == tracked
    assert report["VerificationFlag"] == "UNVERIFIED"


def evaluations(group: dict[str, Any]) -> dict[str, str]:
    coded = [one for one in group["qualitativeEvaluations"] if isinstance(one["conceptValue"], dict)]
    return {one["conceptCode"]["CodeMeaning"]: one["conceptValue"]["CodeMeaning"] for one in coded}


def test_the_report_states_the_outcome_as_research(real: FinishedResult, tmp_path: Path) -> None:
    said = evaluations(report_by_dcmqi(real.folder / "dicom" / "report.dcm", tmp_path / "o")["Measurements"][0])
    assert said["Permitted use"] == "Research use only, not a medical device"
    assert said["Predicted class, research"] == "no lung metastasis"
    assert said["Calibration of the probability"] == "Calibrated"
    assert "Evidence" not in said


def test_everything_of_a_simulated_outcome_says_so(simulated: FinishedResult, tmp_path: Path) -> None:
    for name in ("map", "probability", "report"):
        assert SIMULATED_NOTE in read(simulated, name).SeriesDescription.lower()
    mapping = read(simulated, "map").SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert SIMULATED_NOTE in mapping.LUTExplanation.lower()
    report = report_by_dcmqi(simulated.folder / "dicom" / "report.dcm", tmp_path / "o")
    assert [evaluations(group)["Evidence"].lower() for group in report["Measurements"]] == [SIMULATED_NOTE] * 2
    assert "ReferencedSegment" not in report["Measurements"][0]


def test_the_objects_belong_to_patient_and_study_of_the_source_and_to_series_of_their_own(real: FinishedResult) -> None:
    source = pydicom.dcmread(real.files[0])
    objects = [read(real, name) for name in ("segmentation", "probability", "map", "report")]
    for one in objects:
        assert str(one.PatientName) == PATIENT
        for keyword in ("PatientID", "StudyInstanceUID"):
            assert one[keyword].value == source[keyword].value
        assert "research use only" in one.SeriesDescription
        assert one.Manufacturer == "LesionLens"
    assert len({one.SeriesInstanceUID for one in objects} | {source.SeriesInstanceUID}) == 5
    assert len({one.SeriesNumber for one in objects}) == 4
    assert {one.FrameOfReferenceUID for one in objects[:3]} == {source.FrameOfReferenceUID}


def test_a_segment_says_what_it_is_and_which_model_found_it(real: FinishedResult) -> None:
    first = read(real, "segmentation").SegmentSequence[0]
    assert first.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    assert first.AnatomicRegionSequence[0].CodeValue == "87784001"
    algorithm = first.SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("LesionLens chmfl-sarcoma", real.card.version)
    assert real.card.weights.sha256 in algorithm.AlgorithmParameters
    assert "research use only" in algorithm.AlgorithmParameters


def test_every_frame_of_the_segmentation_refers_to_the_slice_it_lies_on(real: FinishedResult) -> None:
    places = {
        str(record.SOPInstanceUID): np.array(record.ImagePositionPatient, float)
        for record in (pydicom.dcmread(path, stop_before_pixels=True) for path in real.files)
    }
    frames = read(real, "segmentation").PerFrameFunctionalGroupsSequence
    for frame in frames:
        uid = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        position = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        np.testing.assert_allclose(position, places[uid], atol=1e-4)
    assert len(frames) == 4


def test_a_case_without_a_lesion_has_an_empty_segment_and_a_count_of_none(tmp_path: Path) -> None:
    result = finished_result(tmp_path, "rsanet-ms")
    path = result.folder / "segmentation.seg.nrrd"
    empty = Volume(np.zeros_like(result.labels.array), result.labels.grid)
    write_segmentation(empty, [Segment("lesion", "Lesion", 1, (1.0, 0.0, 0.0))], path)
    write_dicom(result.folder, result.files, result.card, {"lesion_count": 0, "lesion_volume_ml": 0.0})
    back = highdicom.seg.segread(result.folder / "dicom" / "segmentation.dcm")
    assert back.get_volume(combine_segments=True).array.max() == 0
    (group,) = report_by_dcmqi(result.folder / "dicom" / "report.dcm", tmp_path / "o")["Measurements"]
    values = {item["quantity"]["CodeMeaning"]: float(item["value"]) for item in group["measurementItems"]}
    assert values == {"Volume": 0.0, "Number of lesions": 0.0}


@pytest.mark.parametrize("change", ["moved", "turned"])
def test_an_image_that_was_moved_since_gets_no_objects_and_leaves_nothing(change: str, tmp_path: Path) -> None:
    result = finished_result(tmp_path, "rsanet-ms")
    grid = result.labels.grid
    x, y, z = grid.origin_lps
    axes = np.reshape(grid.direction_lps, (3, 3)) @ [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    others = {
        "moved": replace(grid, origin_lps=(x + 2.0, y, z)),
        "turned": replace(grid, direction_lps=tuple(axes.ravel())),
    }
    labels, segments = read_segmentation(result.folder / "segmentation.seg.nrrd")
    write_segmentation(replace(labels, grid=others[change]), segments, result.folder / "segmentation.seg.nrrd")
    with pytest.raises(UserError, match="no longer lies where its DICOM series does"):
        write_dicom(result.folder, result.files, result.card, {})
    assert not (result.folder / "dicom").exists()


@pytest.mark.parametrize(
    ("keyword", "says"),
    [("FrameOfReferenceUID", r"lacks Frame of Reference UID \(0020,0052\)"), ("StudyInstanceUID", "lacks Study Inst")],
)
def test_a_series_that_nothing_can_refer_to_is_refused(keyword: str, says: str, tmp_path: Path) -> None:
    result = finished_result(tmp_path, "rsanet-ms")
    for path in result.files:
        record = pydicom.dcmread(path)
        del record[keyword]
        record.save_as(path)
    with pytest.raises(UserError, match=says):
        write_dicom(result.folder, result.files, result.card, {})


def test_odd_personal_values_are_carried_or_left_empty_and_never_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = finished_result(tmp_path, "rsanet-ms")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in result.files:
            record = pydicom.dcmread(path)
            record.PatientName, record.PatientSex, record.StudyDate = "Jane Doe", "Jane", "Jane's day"
            del record.PatientID
            record.save_as(path)
    caplog.clear()
    with warnings.catch_warnings(record=True) as heard, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        write_dicom(result.folder, result.files, result.card, {"lesion_count": 2, "lesion_volume_ml": 1.0})
    assert [str(one.message) for one in heard] == []
    assert caplog.messages == []
    made = read(result, "report")
    assert (str(made.PatientName), made.PatientSex, made.PatientID) == ("Jane Doe", "", "")
