"""Has the scene of a result folder drawn by a child process, `python -m LesionLensLib.scene`.

Nothing of the scene is imported here: whoever writes results knows no more of it than the command that draws it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from LesionLensLib.errors import EnvironmentFault, InternalFault, LesionLensError
from LesionLensLib.process import child_environment

SCENE_FILE = "scene.mrb"
VIEWS_FOLDER = "views"
# Unfinished files lie here; a process that was ended leaves it behind, and whoever started it removes it.
WORK_FOLDER = ".scene"
CHILD_SECONDS = 600


def draw_in_child(
    folder: Path,
    inputs: Mapping[str, str],
    reference_role: str,
    brain_mask: str | None = None,
    transforms: Mapping[str, str] | None = None,
) -> None:
    """Write scene and pictures in a process of its own, so that a fault of a graphics library costs only pictures.

    Raises `EnvironmentFault` (no slicer-core, no renderer, no room) or `InternalFault`, each with a remedy; what was
    in the folder before stays, and `scene.mrb` too where only the pictures failed.
    """
    command = [sys.executable, "-m", "LesionLensLib.scene", str(folder), f"--reference={reference_role}"]
    command += [f"--brain={brain_mask}"] if brain_mask else []
    command += [f"--transform={role}={path}" for role, path in (transforms or {}).items()]
    command += ["--", *(f"{role}={path}" for role, path in inputs.items())]
    try:
        # In the process group of its parent: whoever kills that group ends the drawing too.
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", errors="replace",
            env=child_environment(), timeout=CHILD_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFault(
            f"Drawing the scene took more than {CHILD_SECONDS} seconds and was stopped; the results are complete.",
            "Run without --scene and open the results in 3D Slicer.",
        ) from error
    finally:
        shutil.rmtree(folder / WORK_FOLDER, ignore_errors=True)
    if done.returncode:
        raise _fault_of(done)


def _fault_of(done: subprocess.CompletedProcess[str]) -> LesionLensError:
    """Return the error that the child told in its last line; a child that was ended by a signal told none."""
    try:
        told = json.loads(done.stdout.strip().splitlines()[-1])
        kind = EnvironmentFault if done.returncode == EnvironmentFault.exit_code else InternalFault
        return kind(told["message"], told["remedy"], told["detail"])
    except (IndexError, ValueError, KeyError, TypeError):
        return EnvironmentFault(
            f"Drawing the scene ended unexpectedly (code {done.returncode}); the results are complete.",
            "Check that memory is free and that the packages libegl1 and libgl1-mesa-dri (Debian) are installed.",
            done.stderr[-4000:],
        )
