"""The lesion table as a table node, with units and descriptions, and the report as a text node."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
import vtk


@dataclass(frozen=True)
class Column:
    """What a column of `lesions.csv` means."""

    title: str
    description: str
    unit: str = ""
    whole: bool = False


COLUMNS = {
    "lesion": Column("Lesion", "Number of the lesion, largest first", whole=True),
    "volume_ml": Column("Volume", "Volume of the lesion", "ml"),
    "centroid_r": Column("Centroid R", "Centre of the lesion towards the patient's right (RAS)", "mm"),
    "centroid_a": Column("Centroid A", "Centre of the lesion towards anterior (RAS)", "mm"),
    "centroid_s": Column("Centroid S", "Centre of the lesion towards superior (RAS)", "mm"),
    "mean_probability": Column("Mean probability", "Mean of the model's probability inside the lesion, 0 to 1"),
    "max_probability": Column("Maximum probability", "Highest probability inside the lesion, 0 to 1"),
}


def add_lesion_table(path: Path, name: str) -> Any:
    """Add a table node with the numbers of `lesions.csv`; columns that are not known stay text."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        names = list(reader.fieldnames or ())
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
    node.SetLocked(True)
    for column_name in names:
        node.AddColumn(_column_array(column_name, [row[column_name] for row in rows]))
        _describe(node, column_name)
    return node


def add_report(text: str, name: str, description: str) -> Any:
    """Add a text node that holds the report's JSON to the letter and is saved as a file of its own."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", name)
    node.SetEncoding(vtk.VTK_ENCODING_UTF_8)
    # Without a file of its own the JSON would become an XML attribute, which normalises its line ends away.
    node.SetForceCreateStorageNode(slicer.vtkMRMLTextNode.CreateStorageNodeAlways)
    node.SetText(text)
    node.SetDescription(description)
    return node


def _column_array(name: str, values: list[str]) -> Any:
    known = COLUMNS.get(name)
    array = vtk.vtkStringArray() if known is None else vtk.vtkIntArray() if known.whole else vtk.vtkDoubleArray()
    array.SetName(name)
    convert = str if known is None else int if known.whole else float
    for value in values:
        array.InsertNextValue(convert(value))
    return array


def _describe(node: Any, name: str) -> None:
    column = COLUMNS.get(name)
    if column is None:
        return
    if hasattr(node, "SetColumnTitle"):
        node.SetColumnTitle(name, column.title)
    else:  # Slicer before 5.12
        node.SetColumnLongName(name, column.title)
    node.SetColumnDescription(name, column.description)
    if column.unit:
        node.SetColumnUnitLabel(name, column.unit)
