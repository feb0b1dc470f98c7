"""Writes the scene as one `.mrb` file and makes sure that it is whole and moves to another computer."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import slicer

from LesionLensLib.errors import EnvironmentFault, InternalFault

_ABSOLUTE = re.compile(r"^(file:|/|\\|[A-Za-z]:[\\/])")
# Attributes of nodes that name files: what must be relative and inside the bundle.
_FILE_ATTRIBUTES = ("fileName", "fileListMember", "filePath")


def write_bundle(path: Path) -> None:
    """Write the whole scene to `path` (`.mrb`) and check it; raises `EnvironmentFault` where it cannot be written."""
    # A relative path is accepted here, and then the file cannot be read again.
    if not slicer.mrmlScene.WriteToMRB(str(path.absolute())) or not path.is_file():
        raise EnvironmentFault("The scene file could not be written.", "Check that the disk has room and is writable.")
    faults = check_bundle(path)
    if faults:
        raise InternalFault("The scene file is not whole.", "Run again without --scene.", detail="\n".join(faults))


def check_bundle(path: Path) -> list[str]:
    """Return what is wrong with a scene file: damage, a file it names but does not hold, a path of this computer."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            names = archive.namelist()
            scenes = [name for name in names if name.endswith(".mrml")]
            if damaged or len(scenes) != 1:
                return [f"{damaged} is damaged" if damaged else f"{len(scenes)} scenes in one file"]
            root = ElementTree.fromstring(archive.read(scenes[0]))
    except (zipfile.BadZipFile, ElementTree.ParseError) as error:
        return [f"not a scene file: {error}"]
    base = scenes[0].rpartition("/")[0]
    faults = []
    for element in root.iter():
        for attribute in _FILE_ATTRIBUTES:
            file = unquote(element.get(attribute, ""))
            if not file:
                continue
            if _ABSOLUTE.match(file):
                faults.append(f"{element.tag} {element.get('name')} names a path of this computer")
            elif f"{base}/{file}" not in names:
                faults.append(f"{element.tag} {element.get('name')}: {file} is not in the bundle")
    return faults
