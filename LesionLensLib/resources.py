"""Where the extension's shared data files lie: beside the package in a source tree, in an install, and in Slicer."""

from __future__ import annotations

from pathlib import Path

from LesionLensLib.errors import EnvironmentFault


def resource(*parts: str) -> Path:
    """Return the path of a shipped resource such as `resource("Colors", "inferno.csv")`.

    Raises `EnvironmentFault` where the file or folder is missing.
    """
    path = Path(__file__).resolve().parents[1].joinpath("Resources", *parts)
    if not path.exists():
        raise EnvironmentFault(
            f"The LesionLens installation is incomplete: {'/'.join(('Resources', *parts))} is missing.",
            "Install LesionLens again.",
        )
    return path
