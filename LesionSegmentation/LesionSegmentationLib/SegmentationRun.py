"""One segmentation from nodes to nodes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from LesionLensLib.catalogue import find_card
from LesionLensLib.jobs import SegmentJob
from LesionLensLib.panel.DicomObjects import dicomJobFields, keepObjects
from LesionLensLib.panel.NodeFiles import referenceImage, writeBrainMask, writeImages
from LesionLensLib.panel.PanelRun import Listener, PanelRun
from LesionLensLib.scene.provenance import remember_masks, remember_outlines
from LesionLensLib.scene.segmentation import showing_result
from LesionSegmentationLib.OutputNode import moveSegments


@dataclass(frozen=True)
class RunSettings:
    """How a segmentation is made; None takes the model card's value.

    `brainMask` is a segmentation or label map node, `minVolumeMl` the volume below which lesions are dropped,
    `device` is `auto`, `cpu`, `cuda` or `cuda:N`. With `dicom` the result also goes into the DICOM database.
    `quickEstimate` puts what vgg-lesion-load says beside the measured volume.
    """

    brainMask: Any = None
    registerChannels: bool = False
    dicom: bool = False
    threshold: float | None = None
    minVolumeMl: float | None = None
    device: str = "auto"
    seed: int = 0
    lean: bool = False
    quickEstimate: bool = True


@dataclass(frozen=True)
class Result:
    """What a segmentation left in the scene, its report as a dictionary, and what the user should know.

    `dicom` are the SOPInstanceUIDs of its objects in the DICOM database.
    """

    segmentation: Any
    probability: Any
    table: Any
    report: dict
    reportNode: Any
    warnings: tuple = ()
    dicom: tuple = ()


class SegmentationRun(PanelRun):
    """Segments `inputs` (volume nodes by role) with a model; `segmentation` receives the lesions, None makes one."""

    def __init__(
        self,
        inputs: dict,
        model: str,
        segmentation: Any,
        settings: RunSettings,
        listener: Listener,
        program: list | None = None,
    ) -> None:
        super().__init__([*inputs.values(), segmentation, settings.brainMask], listener, program)
        self.inputs, self.model, self.segmentation, self.settings = dict(inputs), model, segmentation, settings

    def writeJob(self, folder: Path) -> SegmentJob:
        """Write the images and the brain mask."""
        settings, card = self.settings, find_card(self.model)
        reference = referenceImage(self.inputs, card) if settings.dicom else None  # else the program tells what lacks
        dicom = dicomJobFields(settings.dicom, reference, card.reference_role)
        return SegmentJob(
            inputs=writeImages(self.inputs, folder),
            output=str(folder / "result"),
            display=True,
            model=self.model,
            brain_mask=writeBrainMask(settings.brainMask, folder, next(iter(self.inputs.values()), None)),
            register=settings.registerChannels,
            threshold=settings.threshold,
            min_volume_ml=settings.minVolumeMl,
            device=settings.device,
            seed=settings.seed,
            lean=settings.lean,
            quick_estimate=settings.quickEstimate,
            **dicom,
        )

    def showing(self, folder: Path, report: dict, warnings: tuple) -> Any:
        """Add the nodes of the result, the segments into the chosen node."""
        nodes = yield from showing_result(folder, self.inputs)
        remember_masks(nodes.report, brain_mask=self.settings.brainMask)
        dicom = keepObjects(folder)
        segmentation = self.segmentation or nodes.segmentation
        if self.segmentation is not None:  # the last of all, since it cannot be taken back
            moveSegments(nodes, self.segmentation)
        remember_outlines(nodes.report, segmentation)
        return Result(segmentation, nodes.probability, nodes.table, report, nodes.report, warnings, dicom)
