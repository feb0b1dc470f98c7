"""Which nodes a result was made from, and after which other result: kept with its report node, saved with the scene."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import slicer

EXPLAINABLE = "LesionLens.CanBeExplained"
"""The attribute of report nodes whose answer can be explained; selectors list these alone."""
REPORT = "LesionLens.Report"
"""The attribute that every report node has, explained or not."""
_PART = "LesionLens.LesionPart"
_IMAGE, _LESION, _BRAIN = "LesionLens.Image.{}", "LesionLens.Lesion", "LesionLens.BrainMask"
_OUTLINES, _BEFORE = "LesionLens.Outlines", "LesionLens.Before"
_TEXT_NODE = "vtkMRMLTextNode"


@dataclass(frozen=True)
class MadeFrom:
    """The volume nodes by role, the node that marks the lesion with the id of its part, and the mask of the brain.

    What has left the scene is missing.
    """

    images: Mapping[str, Any]
    lesion: Any | None = None
    part: str = ""
    brain_mask: Any | None = None


def remember_images(report: Any, volumes: Mapping[str, Any]) -> None:
    """Let the report node refer to the volume nodes, by role."""
    for role, node in volumes.items():
        report.SetNodeReferenceID(_IMAGE.format(role), node.GetID())


def remember_masks(report: Any, lesion: Any | None = None, part: str = "", brain_mask: Any | None = None) -> None:
    """Let the report node refer to the node that marked the lesion, whose part (by id) it was, and to the brain's."""
    for role, node in ((_LESION, lesion), (_BRAIN, brain_mask)):
        if node is not None:
            report.SetNodeReferenceID(role, node.GetID())
    if lesion is not None:
        report.SetAttribute(_PART, part)


def made_from(report: Any, roles: Iterable[str]) -> MadeFrom:
    """Return what the result of a report node was made from, as far as it is still in the scene."""
    found = {role: report.GetNodeReference(_IMAGE.format(role)) for role in roles}
    images = {role: node for role, node in found.items() if node is not None}
    lesion, part = report.GetNodeReference(_LESION), report.GetAttribute(_PART) or ""
    return MadeFrom(images, lesion, part if lesion is not None else "", report.GetNodeReference(_BRAIN))


def remember_outlines(report: Any, segmentation: Any) -> None:
    """Let the report node refer to the segmentation that it reports on; an older report on the same node lets go."""
    for other in reports():
        if other.GetNodeReference(_OUTLINES) is segmentation:
            other.RemoveNodeReferenceIDs(_OUTLINES)
    report.SetNodeReferenceID(_OUTLINES, segmentation.GetID())


def remember_before(report: Any, before: Any | None) -> None:
    """Let the report node of a prediction or an explanation refer to that of the result it was made after."""
    if before is not None:
        report.SetNodeReferenceID(_BEFORE, before.GetID())


def outlines_of(report: Any) -> Any | None:
    """Return the segmentation that a report reports on, None where it has none or was made anew since."""
    return report.GetNodeReference(_OUTLINES)


def report_on(segmentation: Any | None) -> Any | None:
    """Return the report on a segmentation node, None for one that LesionLens has not made."""
    return next((one for one in reports() if segmentation is not None and outlines_of(one) is segmentation), None)


def chain_of(report: Any) -> list[Any]:
    """Return the report nodes of a result and of those it was made after, the first first."""
    chain: list[Any] = []
    while report is not None and not any(report is one for one in chain):
        chain.insert(0, report)
        report = report.GetNodeReference(_BEFORE)
    return chain


def reports() -> list[Any]:
    """Return the report nodes of the scene in their order."""
    scene = slicer.mrmlScene
    nodes = [scene.GetNthNodeByClass(index, _TEXT_NODE) for index in range(scene.GetNumberOfNodesByClass(_TEXT_NODE))]
    return [node for node in nodes if node.GetAttribute(REPORT)]


def explained_report(made: MadeFrom, model: Mapping[str, Any]) -> Any | None:
    """Return the newest report on the same answer of the same `model` (its entry in a report), None for none.

    The same answer: from the same images, of the same lesion, or of the lesions that were found.
    """
    for report in reversed(reports()):
        if not report.GetAttribute(EXPLAINABLE) or not _is_of(report, model):
            continue
        other = made_from(report, made.images)
        same = dict(other.images) == dict(made.images)
        found = made.lesion is None or outlines_of(report) is made.lesion
        if same and ((other.lesion is made.lesion and other.part == made.part) or (other.lesion is None and found)):
            return report
    return None


def _is_of(report: Any, model: Mapping[str, Any]) -> bool:
    try:
        known = json.loads(report.GetText())["model"]
        return bool(known["id"] == model["id"] and known.get("sha256") == model.get("sha256"))
    except (ValueError, KeyError, TypeError):  # a text node can be edited
        return False
