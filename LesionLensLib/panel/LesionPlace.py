"""Where the lesion is: a segment of a segmentation node, or a control point of a point list."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.model_card import ModelCard
from LesionLensLib.panel.InputChecks import unusable, unusableMask
from LesionLensLib.panel.NodeFiles import refuse, writeMask
from LesionLensLib.scene.segments import segment_ids
from LesionLensLib.scene.volumes import grid_of_node

LESION_ROLE = "lesion"


@dataclass(frozen=True)
class LesionPlace:
    """A segmentation or point list node and one of its `parts`, by id; an empty part is the only one of the node."""

    node: Any
    part: str = ""

    @property
    def isPoint(self) -> bool:
        """Whether the lesion is given as a point."""
        return bool(self.node.IsA("vtkMRMLMarkupsNode"))

    @property
    def partId(self) -> str:
        """The id of the part; empty where it is not said which of several, or is gone."""
        known = [partId for partId, _name in parts(self.node)]
        if self.part:
            return self.part if self.part in known else ""
        return known[0] if len(known) == 1 else ""

    def whyUnusable(self, reference: Any) -> str:
        """Return in a sentence why no lesion of `reference` can be found by this, or an empty text."""
        if not self.partId:
            return self._whyNoPart()
        if not self.isPoint:
            return unusableMask(self.node, _("The segmentation of the lesion"), reference)
        if not unusable(reference, "", None) and not isInside(self.pointRas(reference), grid_of_node(reference)):
            return str(_("The point of the lesion lies outside of {image}.")).format(image=reference.GetName())
        return ""

    def pointRas(self, reference: Any) -> tuple[float, float, float]:
        """Return the control point in the coordinates of the image (RAS, mm), a transform above it taken back."""
        world, point = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
        self.node.GetNthControlPointPositionWorld(self.node.GetControlPointIndexByID(self.partId), world)
        reference.TransformPointFromWorld(world, point)
        return (point[0], point[1], point[2])

    def writeInto(self, folder: Path, reference: Any) -> dict[str, Any]:
        """Write what the program needs and return the fields of the job; raises `UserError` for an unusable place."""
        problem = self.whyUnusable(reference)
        if problem and not self.partId:
            raise UserError(problem, _("Name the segment, or the control point, that marks the lesion."))
        refuse(problem)
        if self.isPoint:
            return {"center_ras": self.pointRas(reference)}
        path = folder / "lesion.nrrd"
        writeMask(self.node, _("The segmentation of the lesion"), path, [self.partId])
        return {"lesion_mask": str(path)}

    def _whyNoPart(self) -> str:
        if not parts(self.node):
            none = _("{name} has no point yet.") if self.isPoint else _("{name} has no segment yet.")
            return str(none).format(name=self.node.GetName())
        which = _("Choose the point in the lesion.") if self.isPoint else _("Choose the segment of the lesion.")
        return str(which)


def placeOf(lesion: Any, part: str) -> LesionPlace:
    """Return where the lesion is; raises `UserError` where no node is given that could say it."""
    if lesion is None or not (lesion.IsA("vtkMRMLSegmentationNode") or lesion.IsA("vtkMRMLMarkupsNode")):
        raise UserError(_("It is not said where the lesion is."), _("Give a segmentation or a point list node."))
    return LesionPlace(lesion, part)


def whyPlaceNotReady(lesion: Any, part: str, reference: Any) -> str:
    """Return in one sentence why no lesion of `reference` is named by these, or an empty text."""
    if lesion is None:
        return str(_("Choose the segmentation, or the point list, that marks the lesion."))
    return LesionPlace(lesion, part).whyUnusable(reference)


def isInside(pointRas: tuple[float, float, float], grid: Grid) -> bool:
    """Whether a point (RAS, mm) lies in a voxel of the grid."""
    ijk = grid.ijk_from_ras(pointRas)
    return bool(np.all(ijk >= -0.5) and np.all(ijk <= np.array(grid.size) - 0.5))


def parts(node: Any) -> list[tuple[str, str]]:
    """Return id and name of every segment of a segmentation, or of every placed control point of a point list."""
    if node is None:
        return []
    if node.IsA("vtkMRMLSegmentationNode"):
        core = node.GetSegmentation()
        return [(segmentId, core.GetSegment(segmentId).GetName()) for segmentId in segment_ids(node)]
    placed = slicer.vtkMRMLMarkupsNode.PositionDefined
    indices = [i for i in range(node.GetNumberOfControlPoints()) if node.GetNthControlPointPositionStatus(i) == placed]
    return [(node.GetNthControlPointID(index), node.GetNthControlPointLabel(index)) for index in indices]


def imageCard(card: ModelCard) -> ModelCard:
    """Return the card without the channel of the lesion's mask, which is no image to choose."""
    return replace(card, channel_def=tuple(c for c in card.channel_def if c.role != LESION_ROLE))
