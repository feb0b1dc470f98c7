"""`python -m LesionLensLib.scene FOLDER ROLE=PATH ...`: write `scene.mrb` and pictures into a result folder.

A program of its own, because a fault of a graphics library ends its process without a word.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from LesionLensLib.errors import InternalFault, LesionLensError


def main(arguments: Sequence[str]) -> int:
    """Write the scene; an error is printed as one JSON line for the parent, its code is returned."""
    options = _parser().parse_args(arguments)
    try:
        from LesionLensLib.scene.build import write_scene

        write_scene(options.folder, dict(options.inputs), options.reference, options.brain, dict(options.transform))
    except LesionLensError as error:
        return _tell(error)
    except Exception:  # the border of the process: the parent must get the detail
        return _tell(InternalFault("The scene could not be made.", "Run without --scene.", traceback.format_exc()))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m LesionLensLib.scene", description=__doc__)
    parser.add_argument("folder", type=Path, help="result folder of a segmentation")
    parser.add_argument("inputs", type=_role_path, nargs="+", metavar="ROLE=PATH", help="the images it was made from")
    parser.add_argument("--reference", metavar="ROLE", help="the image behind the outlines")
    parser.add_argument("--brain", type=Path, metavar="PATH", help="brain mask for the surface in 3D")
    parser.add_argument(
        "--transform", type=_role_path, action="append", default=[], metavar="ROLE=PATH",
        help="ITK transform from reference points to that image's points",
    )  # fmt: skip
    return parser


def _role_path(text: str) -> tuple[str, Path]:
    role, separator, path = text.partition("=")
    if not role or not separator or not path:
        raise argparse.ArgumentTypeError("is not of the form ROLE=PATH")
    return role, Path(path)


def _tell(error: LesionLensError) -> int:
    record = {"message": error.message, "remedy": error.remedy, "detail": error.detail}
    print(json.dumps(record), flush=True)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
