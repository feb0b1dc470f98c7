"""Colour table nodes made from `Resources/Colors`: Slicer's own file-based tables are missing in slicer-core."""

from __future__ import annotations

from typing import Any

import slicer

from LesionLensLib.explain.surface import colors
from LesionLensLib.scene.words import _

_MARK = "LesionLens.ColorTable"


def color_table(name: str, hidden_share: float = 0.0) -> Any:
    """Return the scene's colour table node made from `Resources/Colors/<name>.csv`, adding it once.

    The middle `hidden_share` of its entries is transparent: a threshold can hide what lies below a value, not what lies
    around zero.
    """
    scene, mark = slicer.mrmlScene, f"{name} {hidden_share:g}" if hidden_share else name
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLColorTableNode")):
        known = scene.GetNthNodeByClass(index, "vtkMRMLColorTableNode")
        if known.GetAttribute(_MARK) == mark:
            return known
    table = colors.color_table(name)
    node = scene.AddNewNodeByClass("vtkMRMLColorTableNode", _title(name, hidden_share > 0))
    node.SetTypeToUser()
    node.SetNumberOfColors(len(table))
    middle = (len(table) - 1) / 2
    for index, color in enumerate(table.tolist()):
        node.SetColor(index, *color, 0.0 if abs(index - middle) < hidden_share * middle else 1.0)
    node.SetNamesFromColors()
    node.SetAttribute(_MARK, mark)
    node.SetHideFromEditors(False)  # a hidden colour node is not saved with the scene
    return node


def _title(name: str, zero_is_hidden: bool) -> str:
    title = {
        "inferno": _("LesionLens probability (inferno)"),
        "plasma": _("LesionLens impact (plasma)"),
        "coolwarm": _("LesionLens signed impact (coolwarm)"),
    }[name]
    return _("{title}, zero hidden").format(title=title) if zero_is_hidden else title
