"""One prediction from nodes to nodes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from LesionLensLib.catalogue import find_card
from LesionLensLib.inference.training_risks import TrainingRisks, training_risks
from LesionLensLib.jobs import PredictJob
from LesionLensLib.panel.DicomObjects import dicomJobFields, keepObjects
from LesionLensLib.panel.InputChecks import whyNotReady as whyImagesNotReady
from LesionLensLib.panel.LesionPlace import LesionPlace, imageCard, whyPlaceNotReady
from LesionLensLib.panel.NodeFiles import referenceImage, writeBrainMask, writeImages
from LesionLensLib.panel.PanelRun import Listener, PanelRun
from LesionLensLib.scene.provenance import remember_before, remember_masks, report_on


@dataclass(frozen=True)
class RunSettings:
    """How a prediction is made.

    `brainMask` is a segmentation or label map node, for models of the brain; `device` is `auto`, `cpu`, `cuda` or
    `cuda:N`. With `dicom` the result also goes into the DICOM database.
    """

    brainMask: Any = None
    registerChannels: bool = False
    dicom: bool = False
    device: str = "auto"
    seed: int = 0
    lean: bool = False


@dataclass(frozen=True)
class Result:
    """What a prediction left in the scene, its report as a dictionary, and what the user should know.

    `folderItem` is the folder of all nodes in the subject hierarchy; `segmentation` is None where the network outlines
    nothing. The numbers are those of the largest lesion, `lesions` has them for each. `dicom` are the SOPInstanceUIDs
    of the objects in the DICOM database.
    """

    report: dict
    reportNode: Any
    chart: Any
    folderItem: int
    reference: Any
    segmentation: Any = None
    warnings: tuple = ()
    dicom: tuple = ()

    @property
    def text(self) -> str:
        """The prediction in words."""
        return self.report["result"]["text"]

    @property
    def probability(self) -> float:
        """The probability of the event, 0 to 1."""
        return self.report["result"]["probability"]

    @property
    def lesions(self) -> list:
        """The prediction of each lesion, the largest first."""
        return self.report["result"]["lesions"]


def whyNotReady(inputs: dict, card: Any, lesion: Any, part: str, brainMask: Any) -> str:
    """Return in one sentence why the work cannot start with these nodes, or an empty text."""
    problem = whyImagesNotReady(inputs, imageCard(card), brainMask)
    if problem:
        return problem
    return whyPlaceNotReady(lesion, part, inputs[card.reference_role])


class PredictionRun(PanelRun):
    """Predicts the outcome of the lesion at `place` in `inputs` (volume nodes by role) with a model."""

    def __init__(
        self,
        inputs: dict,
        model: str,
        place: LesionPlace,
        settings: RunSettings,
        listener: Listener,
        program: list | None = None,
    ) -> None:
        super().__init__([*inputs.values(), place.node, settings.brainMask], listener, program)
        self.inputs, self.model, self.place, self.settings = dict(inputs), model, place, settings
        self._training: TrainingRisks | None = None
        self._before = report_on(place.node)  # now: another run may make the same segmentation anew meanwhile

    def writeJob(self, folder: Path) -> PredictJob:
        """Write the images, the lesion and the brain mask."""
        card = find_card(self.model)
        reference = referenceImage(self.inputs, card)
        self._training = training_risks(card)
        images = writeImages(self.inputs, folder)
        settings = self.settings
        return PredictJob(
            inputs=images,
            output=str(folder / "result"),
            display=True,
            model=self.model,
            brain_mask=writeBrainMask(settings.brainMask, folder, reference),
            register=settings.registerChannels,
            device=settings.device,
            seed=settings.seed,
            lean=settings.lean,
            **dicomJobFields(settings.dicom, reference, card.reference_role),
            **self.place.writeInto(folder, reference),
        )

    def showing(self, folder: Path, report: dict, warnings: tuple) -> Any:
        """Add the nodes of the result and the chart of the risk, in one folder."""
        from LesionLensLib.scene.prediction import showing_prediction  # both bring SimpleITK: not while opening
        from LesionLensLib.scene.risk_plot import add_risk_plot

        nodes = yield from showing_prediction(folder, self.inputs)
        yield
        chart = add_risk_plot(nodes, report, self._training)
        remember_before(nodes.report, self._before)
        remember_masks(nodes.report, self.place.node, self.place.partId, self.settings.brainMask)
        return Result(
            report, nodes.report, chart, nodes.folder_item, nodes.reference, nodes.segmentation, warnings,
            keepObjects(folder),
        )  # fmt: skip
