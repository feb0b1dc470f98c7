"""The lesion table as a table node, with units and descriptions, and the report as a text node."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
import vtk

from LesionLensLib.scene.provenance import EXPLAINABLE, REPORT
from LesionLensLib.scene.slicer_versions import set_column_title
from LesionLensLib.scene.words import _


@dataclass(frozen=True)
class Column:
    """What a column of a result's table means."""

    title: str
    description: str
    unit: str = ""
    whole: bool = False
    text: bool = False


def _lesion_columns() -> dict[str, Column]:
    return {
        "lesion": Column(_("Lesion"), _("Number of the lesion, largest first"), whole=True),
        "volume_ml": Column(_("Volume"), _("Volume of the lesion"), "ml"),
        "centroid_r": Column(_("Centroid R"), _("Centre of the lesion towards the patient's right (RAS)"), "mm"),
        "centroid_a": Column(_("Centroid A"), _("Centre of the lesion towards anterior (RAS)"), "mm"),
        "centroid_s": Column(_("Centroid S"), _("Centre of the lesion towards superior (RAS)"), "mm"),
        "mean_probability": Column(
            _("Mean probability"), _("Mean of the model's probability inside the lesion, 0 to 1")
        ),
        "max_probability": Column(_("Maximum probability"), _("Highest probability inside the lesion, 0 to 1")),
    }


def _region_columns() -> dict[str, Column]:
    return {
        "label": Column(_("Label"), _("Number of the region in its label map; 0 is what lies in none"), whole=True),
        "name": Column(_("Region"), _("Name of the region"), text=True),
        "volume_ml": Column(_("Volume"), _("Volume of the region"), "ml"),
        "mean": Column(_("Mean impact"), _("Mean of the map in the region, with its sign")),
        "share": Column(_("Share"), _("Part of the map's total absolute value that lies in the region, 0 to 1")),
        "mean_absolute": Column(_("Mean absolute impact"), _("Mean of the map's absolute value in the region")),
        "energy_share": Column(_("Share of energy"), _("Part of the sum of the map's squares in the region, 0 to 1")),
        "peak": Column(_("Peak"), _("The value farthest from 0 in the region")),
        "peak_r": Column(_("Peak R"), _("Where that value lies, towards the patient's right (RAS)"), "mm"),
        "peak_a": Column(_("Peak A"), _("Where that value lies, towards anterior (RAS)"), "mm"),
        "peak_s": Column(_("Peak S"), _("Where that value lies, towards superior (RAS)"), "mm"),
        "covered": Column(_("Covered"), _("Part of the region that the map covers, 0 to 1")),
    }


def _side_columns() -> dict[str, Column]:
    return {
        "output": Column(_("Answer"), _("Name of the output that was explained"), text=True),
        "value_ml": Column(_("Predicted"), _("What the network says"), "ml"),
        "measured_ml": Column(_("Measured"), _("Volume of the given lesion mask on this side"), "ml"),
        "left_share": Column(_("Map on the left"), _("Part of the map's energy on the patient's left, 0 to 1")),
        "right_share": Column(_("Map on the right"), _("Part of the map's energy on the patient's right, 0 to 1")),
    }


def add_lesion_table(path: Path, name: str) -> Any:
    """Add a table node with the numbers of `lesions.csv`; columns that are not known stay text."""
    return _add_table(path, name, _lesion_columns())


def add_region_table(path: Path, name: str) -> Any:
    """Add a table node with the numbers of `regions.csv`; columns that are not known stay text."""
    return _add_table(path, name, _region_columns())


def add_side_table(path: Path, name: str) -> Any:
    """Add a table node with the numbers of `sides.csv`; columns that are not known stay text."""
    return _add_table(path, name, _side_columns())


def _add_table(path: Path, name: str, columns: Mapping[str, Column]) -> Any:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        names = list(reader.fieldnames or ())
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
    node.SetLocked(True)
    for column_name in names:
        node.AddColumn(_column_array(column_name, [row[column_name] for row in rows], columns))
        _describe(node, column_name, columns)
    return node


def add_report(text: str, name: str, description: str, explainable: bool = True) -> Any:
    """Add a text node that holds the report's JSON to the letter and is saved as a file of its own.

    `explainable` says whether the answer in it can be explained, which that of an explanation cannot.
    """
    # Complete before it is added: selectors that list by an attribute look for it at that moment.
    node = slicer.vtkMRMLTextNode()
    node.SetName(slicer.mrmlScene.GenerateUniqueName(name))
    node.SetAttribute(REPORT, "1")
    if explainable:
        node.SetAttribute(EXPLAINABLE, "1")
    node.SetEncoding(vtk.VTK_ENCODING_UTF_8)
    # Without a file of its own the JSON would become an XML attribute, which normalises its line ends away.
    node.SetForceCreateStorageNode(slicer.vtkMRMLTextNode.CreateStorageNodeAlways)
    node.SetText(text)
    node.SetDescription(description)
    return slicer.mrmlScene.AddNode(node)


def _column_array(name: str, values: list[str], columns: Mapping[str, Column]) -> Any:
    known = columns.get(name)
    kinds = {"text": (vtk.vtkStringArray, str), "whole": (vtk.vtkIntArray, int), "real": (vtk.vtkDoubleArray, float)}
    make, convert = kinds["text" if known is None or known.text else "whole" if known.whole else "real"]
    array = make()
    array.SetName(name)
    for value in values:
        array.InsertNextValue(convert(value))
    return array


def _describe(node: Any, name: str, columns: Mapping[str, Column]) -> None:
    column = columns.get(name)
    if column is None:
        return
    set_column_title(node, name, column.title)
    node.SetColumnDescription(name, column.description)
    if column.unit:
        node.SetColumnUnitLabel(name, column.unit)
