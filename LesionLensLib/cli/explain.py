"""`lesionlens explain`: what an answer rests on, as a map, a table of regions and a coloured surface."""

from __future__ import annotations

import argparse

from LesionLensLib.cli.options import OptionHolder, masks_by_role, parse_pairs
from LesionLensLib.cli.predict import add_arguments as add_predict_arguments
from LesionLensLib.cli.predict import predict_fields
from LesionLensLib.cli.run import run_job
from LesionLensLib.jobs import EXPLANATIONS, ExplainJob
from LesionLensLib.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `explain`: those of `predict`, and its own."""
    add_predict_arguments(parser)
    parser.add_argument("--regions", metavar="LABELMAP",
                        help="regions to sum the map up in, a label map or .seg.nrrd (default: shells around the "
                             "lesion, for a number measured in the brain its hemispheres too)")  # fmt: skip
    add_explain_options(parser)


def add_explain_options(parser: OptionHolder) -> None:
    """Declare the settings of an explanation, beside those of a prediction."""
    parser.add_argument("--method", default=EXPLANATIONS[0], choices=EXPLANATIONS,
                        help="how to explain (default: occlusion)")  # fmt: skip
    parser.add_argument("--target", metavar="NAME",
                        help="the output to explain, of a model that has several: total, left or right of "
                             "vgg-lesion-load (default: the first); occlusion and smocam explain left and right "
                             "beside it")  # fmt: skip
    parser.add_argument("--size-mm", type=float, metavar="MM", help="side of the cubes of an occlusion (default: 8)")
    parser.add_argument("--stride-mm", type=float, metavar="MM",
                        help="from cube to cube; smaller than the side, cubes overlap (default: the side)")  # fmt: skip
    parser.add_argument("--per-channel", action="store_true", help="also explain each channel alone")
    parser.add_argument("--surface", default="lesion", metavar="WHICH",
                        help="what the map is painted on: lesion, lesion+5mm (any number), brain or none "
                             "(default: lesion)")  # fmt: skip
    parser.add_argument("--no-checks", action="store_false", dest="checks",
                        help="do not check how far the map can be believed, which takes longest")  # fmt: skip


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Build the job and run it."""
    return run_job(job_of(options), progress, options.progress)


def job_of(options: argparse.Namespace) -> ExplainJob:
    """Return the job that the options describe; raises `UserError` for values no run could use."""
    own = ("method", "target", "size_mm", "stride_mm", "per_channel", "regions", "surface", "checks")
    masks = masks_by_role("explain", ["lesion", "brain"], options.masks)
    return ExplainJob(
        inputs=parse_pairs("--input", options.inputs),
        transforms=parse_pairs("--transform", options.transforms),
        **predict_fields(options, masks),
        **{name: getattr(options, name) for name in own},
    )
