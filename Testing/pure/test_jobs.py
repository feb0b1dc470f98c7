"""A job survives being written as JSON, and refuses what no run could use."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from LesionLensLib.errors import UserError
from LesionLensLib.jobs import SegmentJob, job_from_json

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


def test_a_job_with_every_field_set_survives_the_round_trip_through_json() -> None:
    assert SegmentJob.from_json(FULL.to_json()) == FULL
    assert job_from_json(FULL.to_json()) == FULL


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
