"""One explanation from nodes to nodes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from LesionLensLib.catalogue import find_card
from LesionLensLib.jobs import ExplainJob
from LesionLensLib.panel.DicomObjects import dicomJobFields, keepObjects
from LesionLensLib.panel.InputChecks import unusableMask
from LesionLensLib.panel.InputChecks import whyNotReady as whyImagesNotReady
from LesionLensLib.panel.LesionPlace import LesionPlace, imageCard, placeOf, whyPlaceNotReady
from LesionLensLib.panel.NodeFiles import referenceImage, writeBrainMask, writeImages, writeRegions
from LesionLensLib.panel.PanelRun import Listener, PanelRun
from LesionLensLib.scene.provenance import MadeFrom, explained_report, remember_before, remember_masks, report_on


@dataclass(frozen=True)
class RunSettings:
    """How an answer is explained; None takes the method's own value.

    `sizeMm` and `strideMm` are the cubes of an occlusion, `checks` tell how far the map can be believed, `surface` is
    `lesion`, `lesion+Nmm`, `brain` or `none`, `target` the output of a model that has several. `brainMask` and
    `regions` are segmentation or label map nodes; without regions the map is summed up in shells around the lesion.
    `device` is `auto`, `cpu`, `cuda` or `cuda:N`. With `dicom` the result also goes into the DICOM database.

    Of an occlusion `fill` is what stands in for a cube (mean, local-mean, zero, blurred), `coarseToFine` how often the
    first cubes are doubled, `within` a segmentation or label map node that all cubes touch. `layer` is what SMOCAM and
    Grad-CAM look at, `sigma` the spread of the output over patients and `mode` paper or preserving, for SMOCAM.
    `surfaceWay` is contour, or points for the paper's seven steps.
    """

    sizeMm: float | None = None
    strideMm: float | None = None
    perChannel: bool = False
    checks: bool = True
    surface: str = "lesion"
    target: str | None = None
    regions: Any = None
    brainMask: Any = None
    registerChannels: bool = False
    dicom: bool = False
    device: str = "auto"
    seed: int = 0
    lean: bool = False
    fill: str | None = None
    coarseToFine: int = 0
    within: Any = None
    layer: str | None = None
    sigma: float | None = None
    mode: str = "paper"
    surfaceWay: str = "contour"


@dataclass(frozen=True)
class Result:
    """What an explanation left in the scene, its report as a dictionary, and what the user should know.

    `maps` are the map and those of single channels, `surface` the coloured surface, `regions` the table of regions,
    both None where there is none; `folderItem` is the folder of all nodes in the subject hierarchy. `dicom` are the
    SOPInstanceUIDs of the objects in the DICOM database.
    """

    report: dict
    reportNode: Any
    folderItem: int
    reference: Any
    maps: tuple
    surface: Any = None
    regions: Any = None
    segmentation: Any = None
    warnings: tuple = ()
    dicom: tuple = ()

    @property
    def text(self) -> str:
        """The explanation in words."""
        return self.report["result"]["text"]

    @property
    def chart(self) -> Any:
        """The chart of the difference of left and right, None for models that tell no sides apart."""
        from LesionLensLib.scene.hierarchy import nodes_in

        found = (node for node in nodes_in(self.folderItem) if node is not None)
        return next((node for node in found if node.IsA("vtkMRMLPlotChartNode")), None)

    @property
    def validity(self) -> str:
        """How far the map can be believed, in words, or that this was not checked."""
        return self.report["result"]["validity"]["text"]

    @property
    def peak(self) -> dict:
        """Where the map is farthest from 0: `ras` (mm, without the transform above the image), `value`, `region`."""
        return self.report["result"]["peak"]


def whyNotReady(inputs: dict, card: Any, lesion: Any, part: str, brainMask: Any, regions: Any) -> str:
    """Return in one sentence why the work cannot start with these nodes, or an empty text."""
    problem = whyImagesNotReady(inputs, imageCard(card), brainMask)
    if problem:
        return problem
    reference = inputs[card.reference_role]
    problem = "" if regions is None else unusableMask(regions, _("The map of the regions"), reference)
    if problem:
        return problem
    if lesion is None and card.outcome is None:
        return ""  # all lesions that it finds are explained
    if lesion is not None and card.outcome is None and lesion.IsA("vtkMRMLMarkupsNode"):
        if card.regression is not None:
            return _("The lesions are measured in a mask: choose a segmentation, or none.")
        return _("A segmentation is explained inside a mask: choose a segmentation, or none for all lesions found.")
    return whyPlaceNotReady(lesion, part, reference)


class ExplanationRun(PanelRun):
    """Explains by `method` what a model says of `inputs` (volume nodes by role), of a lesion where one is given."""

    def __init__(
        self,
        inputs: dict,
        model: str,
        method: str,
        lesion: tuple,
        settings: RunSettings,
        listener: Listener,
        program: list | None = None,
    ) -> None:
        node, part = lesion
        masks = (settings.brainMask, settings.regions, settings.within)
        super().__init__([*inputs.values(), node, *masks], listener, program)
        self.inputs, self.model, self.method, self.settings = dict(inputs), model, method, settings
        self._lesion, self._part = node, part
        self._brainPath: str | None = None
        self._lesionReport = report_on(node)  # now: another run may make the same segmentation anew meanwhile

    def writeJob(self, folder: Path) -> ExplainJob:
        """Write the images, the lesion, the brain and the regions."""
        card, settings = find_card(self.model), self.settings
        reference = referenceImage(self.inputs, card)
        place = self._placeOf(card)
        images = writeImages(self.inputs, folder)
        self._brainPath = writeBrainMask(settings.brainMask, folder, reference)
        return ExplainJob(
            inputs=images,
            output=str(folder / "result"),
            display=True,
            model=self.model,
            method=self.method,
            target=settings.target,
            size_mm=settings.sizeMm,
            stride_mm=settings.strideMm,
            per_channel=settings.perChannel,
            checks=settings.checks,
            surface=settings.surface,
            regions=writeRegions(settings.regions, folder, reference),
            within=writeRegions(settings.within, folder, reference, "within"),
            fill=settings.fill,
            coarse_to_fine=settings.coarseToFine,
            layer=settings.layer,
            sigma=settings.sigma,
            mode=settings.mode,
            surface_way=settings.surfaceWay,
            brain_mask=self._brainPath,
            register=settings.registerChannels,
            device=settings.device,
            seed=settings.seed,
            lean=settings.lean,
            **dicomJobFields(settings.dicom, reference, card.reference_role),
            **({} if place is None else place.writeInto(folder, reference)),
        )

    def showing(self, folder: Path, report: dict, warnings: tuple) -> Any:
        """Add the nodes of the result, in one folder."""
        from LesionLensLib.scene.explanation import showing_explanation  # brings SimpleITK: not while opening

        nodes = yield from showing_explanation(folder, self.inputs, brain=self._brainToShow(folder))
        remember_masks(nodes.report, self._lesion, self._part, self.settings.brainMask)
        made = MadeFrom(self.inputs, self._lesion, self._part)
        remember_before(nodes.report, explained_report(made, report["model"]) or self._lesionReport)
        maps = tuple(node for node in nodes.others if node.IsA("vtkMRMLVolumeNode"))
        surface = next((node for node in nodes.others if node.IsA("vtkMRMLModelNode")), None)
        return Result(
            report, nodes.report, nodes.folder_item, nodes.reference, maps, surface, nodes.table, nodes.segmentation,
            warnings, keepObjects(folder),
        )  # fmt: skip

    def _brainToShow(self, folder: Path) -> Any:
        """Return the mask of the brain where the program has not prepared what is shown of it."""
        from LesionLensLib.display.prepared import is_prepared
        from LesionLensLib.images.read import read_volume

        return None if self._brainPath is None or is_prepared(folder) else read_volume(self._brainPath)

    def _placeOf(self, card: Any) -> LesionPlace | None:
        """Only a segmentation finds its lesions itself."""
        return None if self._lesion is None and card.outcome is None else placeOf(self._lesion, self._part)
