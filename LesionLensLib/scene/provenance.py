"""Which nodes a result was made from: kept with its report node, saved with the scene, so that it can be explained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

EXPLAINABLE = "LesionLens.CanBeExplained"
"""The attribute of report nodes whose answer can be explained; selectors list these alone."""
_PART = "LesionLens.LesionPart"
_IMAGE, _LESION, _BRAIN = "LesionLens.Image.{}", "LesionLens.Lesion", "LesionLens.BrainMask"


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
