"""`lesionlens predict`: images of one visit and the place of a lesion in, a result folder out."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from LesionLensLib.cli.options import OptionHolder, add_case_options, masks_by_role, parse_pairs
from LesionLensLib.cli.run import run_job
from LesionLensLib.errors import UserError
from LesionLensLib.jobs import PredictJob
from LesionLensLib.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `predict`."""
    parser.add_argument("--model", default="chmfl-sarcoma", metavar="M",
                        help="id of an outcome model, or the path of its folder (default: chmfl-sarcoma)")  # fmt: skip
    add_case_options(parser)
    parser.add_argument("--mask", action="append", default=[], metavar="ROLE=PATH", dest="masks",
                        help="lesion=PATH: the lesion, an image or DICOM RTSTRUCT; each separate lesion in it gets a "
                             "prediction of its own, the largest first. brain=PATH: the brain, for models of "
                             "the brain that would find it themselves")  # fmt: skip
    parser.add_argument("--center", metavar="R,A,S",
                        help="a point in the lesion (RAS, mm) in place of a mask")  # fmt: skip
    add_predict_options(parser)


def add_predict_options(parser: OptionHolder) -> None:
    """Declare the settings of a prediction."""
    parser.add_argument("--assume-weight-kg", type=float, metavar="KG", dest="assumed_weight_kg",
                        help="weight of the patient where the DICOM files of a PET lack it")  # fmt: skip
    parser.add_argument("--assume-dose-mbq", type=float, metavar="MBQ", dest="assumed_dose_mbq",
                        help="injected dose where the DICOM files of a PET lack it")  # fmt: skip
    parser.add_argument("--assume-uptake-minutes", type=float, metavar="MIN", dest="assumed_uptake_minutes",
                        help="time from injection to scan where the DICOM files of a PET lack it")  # fmt: skip


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Build the job and run it."""
    return run_job(job_of(options), progress, options.progress)


def job_of(options: argparse.Namespace) -> PredictJob:
    """Return the job that the options describe; raises `UserError` for values no run could use."""
    masks = masks_by_role("predict", ["lesion", "brain"], options.masks)
    return PredictJob(
        inputs=parse_pairs("--input", options.inputs),
        transforms=parse_pairs("--transform", options.transforms),
        **predict_fields(options, masks),
    )


def predict_fields(options: argparse.Namespace, masks: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields, beside images and transforms, of a job on a lesion; raises `UserError` for a bad point."""
    plain = ("output", "model", "register", "device", "seed", "overwrite", "scene", "lean", "dicom")
    assumed = ("assumed_weight_kg", "assumed_dose_mbq", "assumed_uptake_minutes")
    return {
        **{name: getattr(options, name) for name in (*plain, *assumed)},
        "lesion_mask": masks.get("lesion"),
        "brain_mask": masks.get("brain"),
        "center_ras": None if options.center is None else _point(options.center),
    }


def _point(text: str) -> tuple[float, float, float]:
    try:
        right, anterior, superior = (float(part) for part in text.split(","))
    except ValueError as error:
        message = f"--center {text} is not three numbers."
        raise UserError(message, "Write R,A,S in mm, for example --center 12.5,-40,88.", str(error)) from error
    return right, anterior, superior
