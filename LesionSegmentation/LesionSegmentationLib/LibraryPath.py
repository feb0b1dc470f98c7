"""Finds LesionLensLib: beside the modules when installed, in the repository's root in the source tree."""

import importlib.util
import sys
from pathlib import Path

LIBRARY = "LesionLensLib"


def ensureLibrary() -> None:
    """Make `import LesionLensLib` work; raises `ImportError` with a remedy where it is nowhere to be found.

    The application puts only the folders of module files on the path, and in the source tree the library lies one
    level above them.
    """
    if importlib.util.find_spec(LIBRARY) is not None:
        return
    here = Path(__file__).resolve()
    for folder in (here.parents[1], here.parents[2]):
        if (folder / LIBRARY / "__init__.py").is_file():
            sys.path.append(str(folder))
            return
    raise ImportError(f"{LIBRARY} was not found beside the module. Install the LesionLens extension again.")


def forgetLibrary() -> None:
    """Drop our packages from the loaded modules, so that a reload of the panel reads their files again."""
    for name in list(sys.modules):
        if name.split(".")[0] in (LIBRARY, __package__):
            del sys.modules[name]
