"""Chooses how VTK draws without a display, and says which package is missing where nothing works."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.process import child_environment

VARIABLE = "VTK_DEFAULT_OPENGL_WINDOW"
PROBE_SECONDS = 90
NO_RENDERER = "Pictures cannot be drawn: no OpenGL renderer works on this computer."
REMEDY = "Install the Debian packages libegl1 and libgl1-mesa-dri (or only libosmesa6); other systems: Mesa's EGL."


def require_renderer() -> str:
    """Set the environment of this process so that VTK draws with a renderer that was proved to work; return its name.

    Call before the first render window is made. Raises `EnvironmentFault` naming the packages where none works.
    """
    name = find_renderer()
    if name is None:
        raise EnvironmentFault(NO_RENDERER, REMEDY, detail=f"tried: {', '.join(candidates()) or 'the default'}")
    if name:
        os.environ[VARIABLE] = name
    return name


@cache
def find_renderer() -> str | None:
    """Return the first of the candidates that draws a right triangle, None where none does.

    Each is tried in a child: with a missing libEGL or libOSMesa the first picture ends the process without a word.
    """
    return next((name for name in candidates() if _draws(name)), None)


def candidates() -> tuple[str, ...]:
    """Return VTK's window classes in the order to try; an empty name is VTK's own choice."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return (chosen,)
    if sys.platform.startswith("linux"):
        on_display = ("vtkXOpenGLRenderWindow",) if os.environ.get("DISPLAY") else ()
        return ("vtkEGLRenderWindow", "vtkOSOpenGLRenderWindow", *on_display)
    return ("",)


def _draws(name: str) -> bool:
    command = [sys.executable, "-m", "LesionLensLib.scene.probe"]
    chosen = {VARIABLE: name} if name else {}
    try:
        done = subprocess.run(
            command, env={**child_environment(), **chosen}, capture_output=True, timeout=PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
