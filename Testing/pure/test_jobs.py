"""A job survives being written as JSON, and refuses what no run could use."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from LesionLensLib.errors import UserError
from LesionLensLib.jobs import ExplainJob, PredictJob, SegmentJob, job_from_json

FULL = SegmentJob(
    inputs=(("T1", "a b/t1.nii.gz"), ("FLAIR", "ü/flair.nii.gz")),
    output="out",
    model="rsanet-ms",
    brain_mask="brain.nii.gz",
    transforms=(("T1", "t1.tfm"),),
    register=True,
    threshold=0.25,
    min_volume_ml=0.01,
    device="cuda:1",
    seed=3,
    overwrite=True,
    scene=True,
    lean=True,
)

FULL_PREDICTION = PredictJob(
    inputs=(("PET", "a b/pet"), ("CT", "ü/ct.nii.gz")),
    output="out",
    model="own model",
    transforms=(("PET", "pet.tfm"),),
    register=True,
    device="cpu",
    seed=3,
    overwrite=True,
    scene=True,
    lean=True,
    center_ras=(12.5, -40.0, 88.0),
    assumed_weight_kg=75.0,
    assumed_dose_mbq=420.0,
    assumed_uptake_minutes=105.0,
)

FULL_EXPLANATION = ExplainJob(
    inputs=(("PET", "a b/pet"), ("CT", "ü/ct.nii.gz")),
    output="out",
    lesion_mask="lesion.nrrd",
    method="smocam",
    target="lung metastasis",
    size_mm=12.0,
    stride_mm=12.0,
    per_channel=True,
    regions="regions.seg.nrrd",
    surface="lesion+7.5mm",
    fill="blurred",
    coarse_to_fine=2,
    within="near.seg.nrrd",
    layer="level 3",
    sigma=1.5,
    mode="preserving",
    surface_way="points",
    exports=("ply", "obj"),
)


def test_a_job_with_every_field_set_survives_the_round_trip_through_json() -> None:
    assert SegmentJob.from_json(FULL.to_json()) == FULL
    for job in (FULL, FULL_PREDICTION, FULL_EXPLANATION, PredictJob((("PET", "p"),), "out", lesion_mask="m.nii.gz")):
        again = job_from_json(job.to_json())
        assert again == job
        assert type(again) is type(job)


def test_a_prediction_needs_the_place_of_the_lesion_exactly_once() -> None:
    inputs = (("PET", "p"),)
    assert PredictJob(inputs, "out", center_ras=[1, 2, 3]).center_ras == (1.0, 2.0, 3.0)  # type: ignore[arg-type]
    assert PredictJob(inputs, "out", lesion_mask="m").mask_paths == ("m",)
    assert PredictJob(inputs, "out", center_ras=(1, 2, 3), brain_mask="b").mask_paths == ("b",)
    for places, told in (({}, "not given"), ({"lesion_mask": "m", "center_ras": (1.0, 2.0, 3.0)}, "twice")):
        with pytest.raises(UserError, match=told) as caught:
            PredictJob(inputs, "out", **places)  # type: ignore[arg-type]
        assert "--center R,A,S" in caught.value.remedy


def test_an_unknown_field_is_named_rather_than_ignored() -> None:
    record = json.loads(FULL.to_json()) | {"treshold": 0.1}
    with pytest.raises(UserError, match="treshold"):
        SegmentJob.from_json(json.dumps(record))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": 1, "kind": "segment"}',
        '{"schema": 2, "kind": "segment", "inputs": [["T1", "a"]], "output": "o"}',
        '{"schema": 1, "kind": "dream", "inputs": [["T1", "a"]], "output": "o"}',
        '{"schema": 1, "kind": "segment", "inputs": "T1=a", "output": "o"}',
        '{"schema": 1, "kind": "segment", "inputs": [["T1"]], "output": "o"}',
        '{"schema": 1, "kind": "segment", "inputs": [["T1", "a"]], "output": ""}',
        '{"schema": 1, "kind": "segment", "inputs": [["T1", "a"]], "output": "o", "scene": "yes"}',
        '{"schema": 1, "kind": "segment", "inputs": [["T1", "a"]], "output": "o", "threshold": NaN}',
    ],
)
def test_text_that_is_no_job_of_this_version_is_a_user_error(text: str) -> None:
    with pytest.raises(UserError) as caught:
        job_from_json(text)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": ()},
        {"inputs": (("T1", "a"), ("T1", "b"))},
        {"threshold": 2.0},
        {"threshold": -0.1},
        {"threshold": math.nan},
        {"threshold": True},
        {"min_volume_ml": -1.0},
        {"min_volume_ml": math.inf},
        {"seed": -1},
        {"seed": 2**32},
        {"device": "gpu"},
        {"device": "cuda:0; rm -rf /"},
        {"output": "  "},
        {"transforms": (("T2", "t2.tfm"),)},
    ],
)
def test_values_no_run_could_use_are_refused_when_the_job_is_made(change: dict[str, Any]) -> None:
    valid: dict[str, Any] = {"inputs": (("T1", "a"),), "output": "o"}
    SegmentJob(**valid)
    with pytest.raises(UserError):
        SegmentJob(**(valid | change))


@pytest.mark.parametrize(
    "change",
    [
        {"center_ras": (1.0, 2.0)},
        {"center_ras": (1.0, 2.0, math.nan)},
        {"center_ras": "1,2,3"},
        {"lesion_mask": " ", "center_ras": None},
        {"assumed_weight_kg": 0.0},
        {"assumed_weight_kg": 7000.0},
        {"assumed_dose_mbq": -420.0},
        {"assumed_uptake_minutes": math.inf},
        {"assumed_uptake_minutes": True},
        {"seed": 1.5},
        {"device": "tpu"},
        {"transforms": (("CT", "ct.tfm"),)},
    ],
)
def test_a_prediction_refuses_what_no_run_could_use(change: dict[str, Any]) -> None:
    valid: dict[str, Any] = {"inputs": (("PET", "p"),), "output": "o", "center_ras": (1.0, 2.0, 3.0)}
    PredictJob(**valid)
    with pytest.raises(UserError):
        PredictJob(**(valid | change))


@pytest.mark.parametrize(
    "change",
    [
        {"method": "magic"},
        {"size_mm": 0.0},
        {"size_mm": math.nan},
        {"stride_mm": 1000.0},
        {"per_channel": 1},
        {"surface": "lesion+mm"},
        {"surface": "liver"},
        {"regions": " "},
        {"target": ""},
        {"surface": "lesion+101mm"},
        {"fill": "noise"},
        {"coarse_to_fine": 5},
        {"coarse_to_fine": True},
        {"coarse_to_fine": 1, "size_mm": 8.0, "stride_mm": 4.0},
        {"within": ""},
        {"layer": ""},
        {"sigma": 0.0},
        {"sigma": math.inf},
        {"mode": "best"},
        {"surface_way": "poisson"},
        {"exports": ("stl",)},
        {"center_ras": (1.0, 2.0, 3.0)},
    ],
)
def test_an_explanation_refuses_what_no_run_could_use(change: dict[str, Any]) -> None:
    valid: dict[str, Any] = {"inputs": (("PET", "p"),), "output": "o", "lesion_mask": "m.nii.gz"}
    assert ExplainJob(**valid).mask_paths == ("m.nii.gz",)
    assert ExplainJob(**valid, regions="r.nrrd", within="w").mask_paths == ("m.nii.gz", "r.nrrd", "w")
    with pytest.raises(UserError):
        ExplainJob(**(valid | change))


def test_an_explanation_knows_which_of_its_options_its_method_does_not_use() -> None:
    valid: dict[str, Any] = {"inputs": (("PET", "p"),), "output": "o", "lesion_mask": "m.nii.gz"}
    given: dict[str, Any] = {"size_mm": 4.0, "per_channel": True, "layer": "level 1", "mode": "preserving"}
    assert ExplainJob(**valid, **given).unused == ("layer", "mode")
    assert ExplainJob(**valid, **given, method="gradcam").unused == ("size_mm", "per_channel", "mode")
    assert ExplainJob(**valid).unused == ()


def test_a_segmentation_is_explained_without_naming_a_place() -> None:
    assert ExplainJob((("T1", "t"),), "out", model="rsanet-ms").lesion_mask is None
