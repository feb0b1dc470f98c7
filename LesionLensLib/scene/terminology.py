"""The coded meaning and the colour of what is segmented, from the term files in `Resources/Terminology`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.resources import resource

TYPES_FILE = "LesionLens-LesionTypes.term.json"
REGIONS_FILE = "LesionLens-Regions.term.json"


@dataclass(frozen=True)
class Term:
    """One coded type in a body region: Slicer's serialised terminology entry and the recommended colour (0 to 1)."""

    entry: str
    color: tuple[float, float, float]


def load_terminology() -> None:
    """Make our lesion types and regions known to Slicer's Terminologies module; a second call changes nothing.

    Raises `EnvironmentFault` where Slicer refuses a file, for then segments would show codes without meaning.
    """
    import slicer
    import vtk

    logic = slicer.modules.terminologies.logic()
    names = vtk.vtkStringArray()
    logic.GetLoadedTerminologyNames(names)
    loaded = {names.GetValue(index) for index in range(names.GetNumberOfValues())}
    if _types()["SegmentationCategoryTypeContextName"] in loaded:
        return
    for name in (TYPES_FILE, REGIONS_FILE):
        if not logic.LoadContextFromFile(str(resource("Terminology", name))):
            raise EnvironmentFault(f"Slicer could not load the terms of {name}.", "Install LesionLens again.")


def find_term(code: str, region: str) -> Term:
    """Return the term of a SNOMED CT type code in a SNOMED CT region, both from the shipped files.

    Raises `KeyError` for a code that is in neither file.
    """
    types, regions = _types(), _regions()
    place = {r["CodeValue"]: r for r in regions["AnatomicCodes"]["AnatomicRegion"]}[region]
    for category in types["SegmentationCodes"]["Category"]:
        for kind in category["Type"]:
            if kind["CodeValue"] == code:
                entry = "~".join(
                    (types["SegmentationCategoryTypeContextName"], _triple(category), _triple(kind), "^^",
                     regions["AnatomicContextName"], _triple(place), "^^")
                )  # fmt: skip
                red, green, blue = (c / 255 for c in kind["recommendedDisplayRGBValue"])
                return Term(entry, (red, green, blue))
    raise KeyError(code)


LESION, NEOPLASM, BRAIN, SOFT_TISSUE = "52988006", "108369006", "12738006", "87784001"


def _triple(code: dict[str, Any]) -> str:
    return "^".join((code["CodingSchemeDesignator"], code["CodeValue"], code["CodeMeaning"]))


@cache
def _types() -> dict[str, Any]:
    return dict(json.loads(resource("Terminology", TYPES_FILE).read_text(encoding="utf-8")))


@cache
def _regions() -> dict[str, Any]:
    return dict(json.loads(resource("Terminology", REGIONS_FILE).read_text(encoding="utf-8")))
