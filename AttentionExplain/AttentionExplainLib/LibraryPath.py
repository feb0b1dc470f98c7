"""Finds LesionLensLib, which lies beside the module where it is installed, and above its folder in the source tree."""

import importlib.util
import sys
from pathlib import Path

LIBRARY = "LesionLensLib"


def ensureLibrary() -> None:
    """Make `import LesionLensLib` work in the source tree too."""
    if importlib.util.find_spec(LIBRARY) is None:
        sys.path.append(str(Path(__file__).resolve().parents[2]))


def forgetLibrary() -> None:
    """Drop our packages from the loaded modules, so that a reload of the panel reads their files again."""
    for name in [name for name in sys.modules if name.split(".")[0] in (LIBRARY, __package__)]:
        del sys.modules[name]
