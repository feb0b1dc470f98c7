"""`lesionlens explain`: what an answer rests on, as a map, a table of regions and a coloured surface."""

from __future__ import annotations

import argparse
from dataclasses import fields

from LesionLensLib.cli.options import OptionHolder, masks_by_role, parse_pairs
from LesionLensLib.cli.predict import add_arguments as add_predict_arguments
from LesionLensLib.cli.predict import predict_fields
from LesionLensLib.cli.run import run_job
from LesionLensLib.jobs import EXPLANATIONS, EXPORTS, FILLS, SMOCAM_MODES, SURFACE_WAYS, ExplainJob, PredictJob
from LesionLensLib.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `explain`: those of `predict`, and its own."""
    add_predict_arguments(parser)
    parser.add_argument("--regions", metavar="LABELMAP",
                        help="regions to sum the map up in, a label map or .seg.nrrd (default: shells around the "
                             "lesion, for a number measured in the brain its hemispheres too)")  # fmt: skip
    parser.add_argument("--within", metavar="LABELMAP",
                        help="take out only cubes that touch this region, a label map or .seg.nrrd (default: all that "
                             "the network sees; 20 mm around the lesions of a segmentation)")  # fmt: skip
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
    parser.add_argument("--fill", choices=FILLS,
                        help="what stands in for a cube: the mean of the channel, the mean around the cube, 0 in the "
                             "network's units, or the image blurred (default: local-mean for PET and CT, else "
                             "zero, which is the mean)")  # fmt: skip
    parser.add_argument("--coarse-to-fine", type=int, default=0, metavar="N",
                        help="begin with cubes doubled N times, cut only those that matter (default: 0)")  # fmt: skip
    parser.add_argument("--layer", metavar="NAME",
                        help="the layer that smocam and gradcam look at; a wrong name lists them (default: the "
                             "coarsest with a voxel for every 8 of the image)")  # fmt: skip
    parser.add_argument("--mode", default=SMOCAM_MODES[0], choices=SMOCAM_MODES,
                        help="of smocam: a mask of norm 1 as in the paper, or the smallest with which the answer is "
                             "preserved, which takes several times as long (default: paper)")  # fmt: skip
    parser.add_argument("--sigma", type=float, metavar="X",
                        help="of smocam: standard deviation of the output over patients, of a probability that of its "
                             "logit (default: that of the training report)")  # fmt: skip
    parser.add_argument("--surface-way", default=SURFACE_WAYS[0], choices=SURFACE_WAYS,
                        help="contour: the map painted on the contour of the mask; points: the seven steps of the "
                             "paper, with points.ply and points-unit.ply beside it (default: contour)")  # fmt: skip
    parser.add_argument("--export", nargs="+", default=(), choices=EXPORTS, metavar="FORMAT", dest="exports",
                        help="also write the surface as ply or obj")  # fmt: skip
    parser.add_argument("--no-checks", action="store_false", dest="checks",
                        help="do not check how far the map can be believed, which takes longest")  # fmt: skip


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Build the job and run it."""
    return run_job(job_of(options), progress, options.progress)


def job_of(options: argparse.Namespace) -> ExplainJob:
    """Return the job that the options describe; raises `UserError` for values no run could use."""
    own = {field.name for field in fields(ExplainJob)} - {field.name for field in fields(PredictJob)}
    masks = masks_by_role("explain", ["lesion", "brain"], options.masks)
    return ExplainJob(
        inputs=parse_pairs("--input", options.inputs),
        transforms=parse_pairs("--transform", options.transforms),
        **predict_fields(options, masks),
        **{name: getattr(options, name) for name in sorted(own)},
    )
