"""What differs between the versions of Slicer that LesionLens runs in, 5.10 and 5.12; nothing else asks for a version.

Python packages: `slicer.packaging` of 5.12 says what changes, shows progress and offers a restart; 5.10 has only
`slicer.util.pip_install`. Column titles of tables: `SetColumnTitle` in 5.12, `SetColumnLongName` in 5.10.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import slicer


def install_requirements(file: Path, requester: str) -> None:
    """Install what a requirements file lists and is not there; the user has been asked before.

    Raises what pip, the network and the application raise.
    """
    if importlib.util.find_spec("slicer.packaging") is not None:
        packaging = importlib.import_module("slicer.packaging")
        requirements = packaging.load_requirements(str(file))
        call_with_known(packaging.pip_ensure, {"requester": requester, "prompt_install": False}, requirements)
        return
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    slicer.util.pip_install([line for line in lines if line and not line.startswith("#")])


def set_column_title(table: Any, column: str, title: str) -> None:
    """Give the column of a vtkMRMLTableNode the title that people read."""
    if hasattr(table, "SetColumnTitle"):
        table.SetColumnTitle(column, title)
    else:
        table.SetColumnLongName(column, title)


def call_with_known(function: Callable[..., Any], options: Mapping[str, Any], *arguments: Any) -> Any:
    """Call a function of another extension or version with those of the options that it knows."""
    parameters = inspect.signature(function).parameters
    takes_all = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    return function(*arguments, **{name: value for name, value in options.items() if takes_all or name in parameters})
