"""Tells whether two states of the scene say the same: what a saved and reloaded result must do."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from LesionLensLib.scene.hierarchy import nodes_in, subject_hierarchy
from LesionLensLib.scene.segments import segment_ids, terminology_of
from LesionLensLib.scene.volumes import grid_of_node

Facts = dict[str, Any]
# Slicer writes some numbers with six digits; 1e-4 in a matrix is less than a tenth of a millimetre across a head.
RELATIVE, TOLERANCE = 1e-5, 1e-4


def describe_scene() -> dict[str, Facts]:
    """Return what the scene's data nodes and folders hold, keyed by class and name, as plain comparable values."""
    describers = {
        "vtkMRMLScalarVolumeNode": _volume,
        "vtkMRMLSegmentationNode": _segmentation,
        "vtkMRMLTableNode": _table,
        "vtkMRMLTextNode": _text,
        "vtkMRMLModelNode": _model,
        "vtkMRMLColorTableNode": _color_table,
        "vtkMRMLPlotChartNode": _chart,
        "vtkMRMLPlotSeriesNode": _series,
    }
    scene = slicer.mrmlScene
    facts: dict[str, Facts] = {}
    for index in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(index)
        describe = describers.get(node.GetClassName())
        if describe is not None and node.GetSaveWithScene() and not _is_built_in(node):
            facts[f"{node.GetClassName()} {node.GetName()}"] = {**_marks(node), **describe(node)}
    return facts | _folders()


def differences(before: dict[str, Facts], after: dict[str, Facts]) -> list[str]:
    """Return one line for each fact of `before` that is missing or other in `after`; empty where all are equal."""
    found = []
    for name, facts in before.items():
        if name not in after:
            found.append(f"{name} is missing")
            continue
        for fact, value in facts.items():
            other = after[name].get(fact)
            if not _same(value, other):
                found.append(f"{name}: {fact} was {_short(value)}, is {_short(other)}")
    return found


def _same(value: Any, other: Any) -> bool:
    if not isinstance(value, np.ndarray):
        return bool(value == other)
    if not isinstance(other, np.ndarray) or value.shape != other.shape:
        return False
    return np.allclose(value, other, RELATIVE, TOLERANCE)


def _is_built_in(node: Any) -> bool:
    return bool(node.IsA("vtkMRMLColorNode")) and node.GetType() != node.User


def _marks(node: Any) -> Facts:
    names = [name for name in node.GetAttributeNames() if name.startswith("LesionLens.")]
    marks = {"description": node.GetDescription() or "", **{name: node.GetAttribute(name) for name in names}}
    return {**marks, **_references(node)}


def _references(node: Any) -> Facts:
    """Return which nodes, by name, this one refers to as what it was made from or belongs to."""
    roles = [node.GetNthNodeReferenceRole(index) for index in range(node.GetNumberOfNodeReferenceRoles())]
    facts = {}
    for role in roles:
        others = [node.GetNthNodeReference(role, n) for n in range(node.GetNumberOfNodeReferences(role))]
        if others and (role.startswith("LesionLens.") or role == "transform"):
            facts[f"reference {role}"] = [None if other is None else other.GetName() for other in others]
    return facts


def _chart(node: Any) -> Facts:
    series = [node.GetNthPlotSeriesNode(index).GetName() for index in range(node.GetNumberOfPlotSeriesNodes())]
    return {"title": node.GetTitle(), "axes": (node.GetXAxisTitle(), node.GetYAxisTitle()), "series": series}


def _series(node: Any) -> Facts:
    table = node.GetTableNode()
    return {
        "table": None if table is None else table.GetName(),
        "columns": (node.GetXColumnName(), node.GetYColumnName()),
        "colour": np.array(node.GetColor()),
        "style": (node.GetPlotType(), node.GetLineStyle(), node.GetMarkerStyle()),
    }


def _volume(node: Any) -> Facts:
    array = slicer.util.arrayFromVolume(node)
    display = node.GetDisplayNode()
    return {
        "voxels": _digest(array),
        "type": array.dtype.name,
        "ijk to ras": grid_of_node(node).ijk_to_ras,
        "colours": display.GetColorNode().GetName() if display and display.GetColorNode() else None,
        "threshold": np.array([display.GetApplyThreshold(), display.GetLowerThreshold()]) if display else None,
        "window": np.array([display.GetWindow(), display.GetLevel()]) if display else None,
    }


def _segmentation(node: Any) -> Facts:
    core = node.GetSegmentation()
    facts: Facts = {"ids": segment_ids(node)}
    facts["reference geometry"] = reference = _reference_matrix(core)
    for segment_id in facts["ids"]:
        segment = core.GetSegment(segment_id)
        facts[f"{segment_id} name"] = segment.GetName()
        facts[f"{segment_id} colour"] = np.array(segment.GetColor())
        facts[f"{segment_id} terminology"] = terminology_of(segment)
        facts[f"{segment_id} voxels"] = _segment_voxels(node, segment_id, reference)
        facts[f"{segment_id} surface"] = bool(node.GetClosedSurfaceInternalRepresentation(segment_id))
    return facts


def _reference_matrix(core: Any) -> NDArray[np.float64] | None:
    geometry, text = slicer.vtkOrientedImageData(), core.GetConversionParameter("Reference image geometry")
    if not slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, geometry, False):
        return None
    return _world_matrix(geometry)


def _world_matrix(image: Any) -> NDArray[np.float64]:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return np.array(slicer.util.arrayFromVTKMatrix(matrix))


def _segment_voxels(node: Any, segment_id: str, reference: NDArray[np.float64] | None) -> tuple[int, str]:
    """Return number and digest of a segment's voxels as indices of the reference grid: storage may crop and reorder."""
    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, image)
    if not image.GetNumberOfPoints():
        return 0, ""
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
    own = np.argwhere(array > 0)[:, ::-1] + np.array(image.GetExtent()[::2])
    matrix = _world_matrix(image)
    to_reference = np.eye(4) if reference is None else np.linalg.inv(reference) @ matrix
    ijk = np.round(own @ to_reference[:3, :3].T + to_reference[:3, 3]).astype(np.int64)
    return len(ijk), _digest(ijk[np.lexsort(ijk.T)])


def _table(node: Any) -> Facts:
    table = node.GetTable()
    facts: Facts = {"rows": table.GetNumberOfRows()}
    for index in range(table.GetNumberOfColumns()):
        column = table.GetColumn(index)
        name, kind = column.GetName(), column.GetDataTypeAsString()
        values = [column.GetVariantValue(row) for row in range(column.GetNumberOfValues())]
        is_text = kind == "string"
        facts[f"column {name}"] = (
            [value.ToString() for value in values] if is_text else np.array([value.ToDouble() for value in values])
        )
        facts[f"meaning of {name}"] = (index, kind, node.GetColumnUnitLabel(name), node.GetColumnDescription(name))
    return facts


def _text(node: Any) -> Facts:
    return {"text": node.GetText()}


def _model(node: Any) -> Facts:
    data, display = node.GetPolyData(), node.GetDisplayNode()
    arrays = (data.GetPointData().GetArray(index) for index in range(data.GetPointData().GetNumberOfArrays()))
    return {
        **{f"point array {array.GetName()}": vtk_to_numpy(array).copy() for array in arrays},
        "scalars": display.GetActiveScalarName() if display.GetScalarVisibility() else None,
        "scalar range": np.array(display.GetScalarRange()),
        "scalar colours": display.GetColorNode().GetName() if display.GetColorNode() else None,
        "points": data.GetNumberOfPoints(),
        "cells": data.GetNumberOfCells(),
        "bounds": np.array(data.GetBounds()),
        "colour": np.array([*display.GetColor(), display.GetOpacity()]),
    }


def _color_table(node: Any) -> Facts:
    lookup = node.GetLookupTable()
    colors = [lookup.GetTableValue(index) for index in range(node.GetNumberOfColors())]
    # Eight bits a channel is what every colour file format of Slicer keeps.
    return {"colours": _digest(np.round(np.array(colors) * 255).astype(np.uint8))}


def _folders() -> dict[str, Facts]:
    hierarchy, items = subject_hierarchy(), vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    folders = {}
    for index in range(items.GetNumberOfIds()):
        item = items.GetId(index)
        if hierarchy.GetItemDataNode(item) is None:
            names = [node.GetName() for node in nodes_in(item) if node is not None]
            folders[f"folder {hierarchy.GetItemName(item)}"] = {"nodes": names}
    return folders


def _digest(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 120 else f"{text[:117]}..."
