"""Puts the result folder of a segmentation into the scene: what the panel, the console and `--scene` all call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.display.context import context_of
from LesionLensLib.display.prepared import Prepared, read_prepared
from LesionLensLib.errors import InternalFault
from LesionLensLib.geometry import Grid
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.volume import Volume
from LesionLensLib.scene.hierarchy import add_folder, move_into
from LesionLensLib.scene.layout import show_reference
from LesionLensLib.scene.probability import style_probability
from LesionLensLib.scene.provenance import remember_images
from LesionLensLib.scene.segments import largest_lesion_ras, load_segments
from LesionLensLib.scene.stepwise import Showing, Steps
from LesionLensLib.scene.surface import add_context_surface, surface_title
from LesionLensLib.scene.tables import add_lesion_table, add_report
from LesionLensLib.scene.terminology import load_terminology
from LesionLensLib.scene.volumes import add_volume, grid_of_node, right_handed_grid, volume_of_node
from LesionLensLib.scene.words import _


@dataclass(frozen=True)
class SceneNodes:
    """The nodes of one result; `folder_item` is their folder in the subject hierarchy, those with a default may lack.

    `focus_ras` (mm) is what the views show, `frame_ras` (n, 3) what fits into them.
    """

    folder_item: int
    reference: Any
    report: Any
    segmentation: Any | None = None
    probability: Any | None = None
    table: Any | None = None
    surface: Any | None = None
    others: tuple[Any, ...] = ()
    focus_ras: tuple[float, float, float] | None = None
    frame_ras: NDArray[np.float64] | None = None

    @property
    def data_nodes(self) -> list[Any]:
        """All nodes of the result itself, without the reference image."""
        nodes = (self.segmentation, self.probability, self.table, self.report, self.surface, *self.others)
        return [node for node in nodes if node is not None]


def show_result(
    folder: Path,
    volumes: Mapping[str, Any],
    reference_role: str | None = None,
    brain: Volume | None = None,
    context_surface: bool = True,
) -> SceneNodes:
    """Add the nodes of a segmentation's result folder to the scene, in one folder beside the reference image.

    `volumes` are the input volume nodes by role; without `reference_role` that of the report is the reference, and
    where it names none the first volume on the result's grid.
    `brain` is a mask for the surface that shows where the lesions lie. If the reference stands under a transform,
    the result follows it. Raises `InternalFault` where the folder does not belong to these volumes; after any error
    the scene is as it was.
    """
    return Showing(showing_result(folder, volumes, reference_role, brain, context_surface)).run()


def showing_result(
    folder: Path,
    volumes: Mapping[str, Any],
    reference_role: str | None = None,
    brain: Volume | None = None,
    context_surface: bool = True,
) -> Steps[SceneNodes]:
    """Do what `show_result` does in steps, for a window that must answer meanwhile."""
    load_terminology()
    report_text = (folder / "report.json").read_text(encoding="utf-8")
    report, probability = json.loads(report_text), read_volume(folder / "probability.nrrd")
    reference = reference_node(volumes, reference_role or report["model"].get("reference_role"), probability.grid)
    names = ResultNames.from_report(report, reference.GetName())
    yield
    prepared = read_prepared(folder)
    yield
    folder_item = add_folder(names.folder, beside=reference)
    outlines = prepared.outlines if prepared else None
    segmentation = load_segments(folder / "segmentation.seg.nrrd", names.of(_("Lesions")), reference, outlines)
    yield
    probability_node = add_volume(probability, names.of(_("Lesion probability")))
    style_probability(probability_node)
    yield
    table = add_lesion_table(folder / "lesions.csv", names.of(_("Lesion table")))
    report_node = add_report(report_text, names.report, names.description)
    yield
    surface = add_surroundings(folder, report, reference, brain, names, prepared) if context_surface else None
    nodes = SceneNodes(
        folder_item=folder_item,
        reference=reference,
        segmentation=segmentation,
        probability=probability_node,
        table=table,
        report=report_node,
        surface=surface,
        focus_ras=prepared.focus_ras if prepared else largest_lesion_ras(segmentation, reference),
    )
    yield
    finish(nodes, names, volumes)
    return nodes


@dataclass(frozen=True)
class ResultNames:
    """How the nodes of one result are called; simulated and untrained models are named as such everywhere."""

    model: str
    reference: str
    evidence: str

    @classmethod
    def from_report(cls, report: Mapping[str, Any], reference: str) -> ResultNames:
        """Take the model's id and evidence from a parsed `report.json`."""
        model = report["model"]
        return cls(str(model["id"]), reference, str(model["evidence"]))

    @property
    def folder(self) -> str:
        """The name of the subject hierarchy folder."""
        return _("{model} on {image}").format(model=self.model, image=self.reference) + self._evidence_note

    @property
    def description(self) -> str:
        """What every node of the result says about itself."""
        made = _("Made by LesionLens with the model {model} (evidence: {evidence}).")
        use = _("Research use only; not a medical device.")
        return f"{made.format(model=self.model, evidence=self.evidence)} {use}"

    @property
    def report(self) -> str:
        """The name of the text node with the report."""
        return _("{report}, research use only").format(report=self.of(_("Report")))

    def of(self, what: str) -> str:
        """The name of one node of the result."""
        return f"{what} {self.model}{self._evidence_note}"

    @property
    def _evidence_note(self) -> str:
        notes = {"simulated": _("demonstration weights, simulated outcome"), "untrained": _("untrained")}
        return f" ({notes[self.evidence]})" if self.evidence in notes else ""


def reference_node(volumes: Mapping[str, Any], role: str | None, grid: Grid) -> Any:
    """Return the volume node of `role`, or the first one, that lies on `grid`; raises `InternalFault` for none."""
    for name, node in volumes.items():
        if (role is None or name == role) and _same_place(grid_of_node(node), grid):
            return node
    raise InternalFault(
        "The result does not lie on the grid of any of the given images.",
        "Choose the images that the result was made from.",
    )


def _same_place(first: Grid, second: Grid) -> bool:
    """Compare as Slicer stores them: a left-handed node and its right-handed file are the same voxels."""
    return right_handed_grid(first).is_close(right_handed_grid(second), tolerance_mm=0.01)


def add_surroundings(
    folder: Path,
    report: Mapping[str, Any],
    reference: Any,
    brain: Volume | None,
    names: ResultNames,
    prepared: Prepared | None,
) -> Any | None:
    """Add what lies around a result, as it was prepared or as it is found now: brain, head or body; or nothing."""
    context = prepared.context if prepared else context_of(folder, report, volume_of_node(reference), brain)
    return None if context is None else add_context_surface(context, names.of(surface_title(context.kind)))


def finish(nodes: SceneNodes, names: ResultNames, volumes: Mapping[str, Any]) -> None:
    """Mark the nodes of a result, put them into its folder and under the reference's transform, and show it.

    `volumes` are the images it was made from, by role; the report node refers to them.
    """
    remember_images(nodes.report, volumes)
    for node in nodes.data_nodes:
        node.SetDescription(node.GetDescription() or names.description)
        node.SetAttribute("LesionLens.Model", names.model)
        node.SetAttribute("LesionLens.Evidence", names.evidence)
        if node.IsA("vtkMRMLTransformableNode"):
            node.SetAndObserveTransformNodeID(nodes.reference.GetTransformNodeID())
    move_into(nodes.folder_item, nodes.data_nodes)
    show_reference(nodes.reference, nodes.focus_ras)
