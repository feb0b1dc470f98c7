"""`lesionlens segment`: images of one visit in, a result folder out."""

from __future__ import annotations

import argparse

from LesionLensLib.cli.options import OptionHolder, add_case_options, masks_by_role, parse_pairs
from LesionLensLib.cli.run import run_job
from LesionLensLib.jobs import SegmentJob
from LesionLensLib.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `segment`."""
    parser.add_argument("--model", default="rsanet-ms", metavar="M",
                        help="id of a model, or the path of a model folder (default: rsanet-ms)")  # fmt: skip
    add_case_options(parser)
    parser.add_argument("--mask", action="append", default=[], metavar="brain=PATH", dest="masks",
                        help="a brain mask; without it the brain is found as the model card says")  # fmt: skip
    add_segment_options(parser)


def add_segment_options(parser: OptionHolder) -> None:
    """Declare the settings of a segmentation."""
    parser.add_argument("--threshold", type=float, metavar="P",
                        help="probability from which a voxel counts as lesion (default: the card's)")  # fmt: skip
    parser.add_argument("--min-volume-ml", type=float, metavar="V", dest="min_volume_ml",
                        help="drop lesions smaller than this (default: the card's)")  # fmt: skip
    parser.add_argument("--no-quick-estimate", action="store_false", dest="quick_estimate",
                        help="do not put the estimate of vgg-lesion-load beside the measured volume")  # fmt: skip


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Build the job and run it."""
    return run_job(job_of(options), progress, options.progress)


def job_of(options: argparse.Namespace) -> SegmentJob:
    """Return the job that the options describe; raises `UserError` for values no run could use."""
    return SegmentJob(
        inputs=parse_pairs("--input", options.inputs),
        output=options.output,
        model=options.model,
        brain_mask=masks_by_role("segment", ["brain"], options.masks).get("brain"),
        transforms=parse_pairs("--transform", options.transforms),
        register=options.register,
        threshold=options.threshold,
        min_volume_ml=options.min_volume_ml,
        quick_estimate=options.quick_estimate,
        device=options.device,
        seed=options.seed,
        overwrite=options.overwrite,
        scene=options.scene,
        lean=options.lean,
        dicom=options.dicom,
    )
