"""Options that several commands share, and the reading of `ROLE=PATH`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from LesionLensLib.errors import UserError

OptionHolder = argparse.ArgumentParser | argparse._ArgumentGroup


def add_case_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of every command that works on the images of one case."""
    add_image_options(parser)
    add_run_options(parser)


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """Declare what one case is made of and where its results go."""
    parser.add_argument("--input", action="append", default=[], metavar="ROLE=PATH", dest="inputs",
                        help="one channel: NIfTI, NRRD, MHA or a DICOM folder; repeat for each channel. Of a study "
                             "folder the series that fits is taken; FOLDER#NUMBER names one")  # fmt: skip
    parser.add_argument("--output", required=True, metavar="DIR", help="the result folder; appears whole or not at all")
    parser.add_argument("--transform", action="append", default=[], metavar="ROLE=FILE", dest="transforms",
                        help="an ITK transform from points of the reference channel to points of this one")  # fmt: skip


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Declare how a case is run, whichever it is."""
    parser.add_argument("--register", action="store_true",
                        help="register the channels rigidly to the reference channel")  # fmt: skip
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of everything random (default: 0)")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier result in the output folder")
    parser.add_argument("--scene", action="store_true", help="also write scene.mrb and views/*.png")
    parser.add_argument("--dicom", action="store_true",
                        help="also write dicom/: segmentation, maps and report as DICOM objects of the same study; "
                             "needs the reference image as a DICOM series")  # fmt: skip
    parser.add_argument("--lean", action="store_true",
                        help="take the pass with the smallest memory; on most CPUs it is the default")  # fmt: skip


def masks_by_role(command: str, roles: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    """Return the path of each `--mask` by role; raises `UserError` for one that `command` does not take, or twice."""
    masks = dict(parse_pairs("--mask", values))
    if set(masks) - set(roles) or len(masks) != len(values):
        known = " and ".join(f"that of the {role}" for role in roles)
        each = " and ".join(f"--mask {role}=PATH" for role in roles)
        raise UserError(f"{command} takes one mask of a kind: {known}.", f"Write it as {each}.")
    return masks


def parse_pairs(option: str, values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Split each `ROLE=PATH` of an option; raises `UserError` for anything else."""
    pairs = []
    for value in values:
        role, separator, path = value.partition("=")
        if not separator or not role.strip() or not path.strip():
            raise UserError(
                f"{option} {value or 'without a value'} is not of the form ROLE=PATH.",
                f"Write it as, for example, {option} FLAIR=flair.nii.gz.",
            )
        pairs.append((role.strip(), path))
    return tuple(pairs)
