"""One segmentation from nodes to nodes: files for the child process, the child, and its results in the scene."""

import logging
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from LesionLensLib.errors import Cancelled, UserError
from LesionLensLib.images.write import write_volume
from LesionLensLib.jobs import SegmentJob
from LesionLensLib.process import ChildRun
from LesionLensLib.scene.segmentation import show_result
from LesionLensLib.scene.volumes import volume_of_node
from LesionSegmentationLib.InputChecks import unusable, unusableMask
from LesionSegmentationLib.OutputNode import moveSegments

POLL_INTERVAL_MS = 100


@dataclass(frozen=True)
class RunSettings:
    """How a segmentation is made; None takes the model card's value.

    `brainMask` is a segmentation or label map node, `minVolumeMl` the volume below which lesions are dropped,
    `device` is `auto`, `cpu`, `cuda` or `cuda:N`.
    """

    brainMask: Any = None
    registerChannels: bool = False
    threshold: float | None = None
    minVolumeMl: float | None = None
    device: str = "auto"
    seed: int = 0
    lean: bool = False


@dataclass(frozen=True)
class Result:
    """What a segmentation left in the scene, its report as a dictionary, and what the user should know."""

    segmentation: Any
    probability: Any
    table: Any
    report: dict
    reportNode: Any
    warnings: tuple = ()


@dataclass
class Listener:
    """Who is told: `progress(fraction, text)`, `warning(text)`, `deviceChosen(name, reason)`; then once
    `finished(result)` or `failed(error)`.
    """

    progress: Callable = field(default=lambda fraction, text: None)
    warning: Callable = field(default=lambda text: None)
    deviceChosen: Callable = field(default=lambda name, reason: None)
    finished: Callable = field(default=lambda result: None)
    failed: Callable = field(default=lambda error: None)


class SegmentationRun(VTKObservationMixin):
    """Runs once. `start` and a timer that calls `poll`, or `start` and `wait`; `stop(reason)` ends it at any time.

    A closed scene, and the removal of a node that the run reads or will write, stop it too. `error` or `result` is
    set at the end, the temporary folder is gone then, and the listener has been told. `program` is the command that
    does the work, where it is not this library's own.
    """

    def __init__(
        self,
        inputs: dict,
        model: str,
        segmentation: Any,
        settings: RunSettings,
        listener: Listener,
        program: list | None = None,
    ) -> None:
        VTKObservationMixin.__init__(self)
        self.inputs, self.model, self.segmentation, self.settings = dict(inputs), model, segmentation, settings
        self.result: Result | None = None
        self.error: Exception | None = None
        self._listener = listener
        self._program = program
        self._folder: Path | None = None
        self._child: ChildRun | None = None
        self._timer: Any = None
        self._warnings: list = []
        self._stopReason = ""

    @property
    def isRunning(self) -> bool:
        """Whether the child was started and the listener has not been told the end."""
        return self._child is not None and self.result is None and self.error is None

    @property
    def log(self) -> str:
        """What the child wrote beside its events."""
        return self._child.log if self._child else ""

    def start(self) -> None:
        """Write the inputs and start the child; raises `UserError` or `EnvironmentFault` and leaves nothing then."""
        self._folder = Path(tempfile.mkdtemp(prefix="LesionLens-", dir=slicer.app.temporaryPath))
        try:
            self._child = ChildRun(
                self._job(),
                self._listener.progress,
                self._onFinished,
                self._onFailed,
                on_warning=self._onWarning,
                program=self._program,
                on_phase=self._onPhase,
            )
            self._child.start()
        except BaseException:
            self._child = None
            self._removeFolder()
            raise
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._onSceneClose)
        self.addObserver(scene, scene.NodeAboutToBeRemovedEvent, self._onNodeRemoved)

    def startTimer(self) -> None:
        """Poll the child from the application's event loop."""
        import qt  # absent where logic runs without the application's widgets

        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_INTERVAL_MS)
        self._timer.connect("timeout()", self.poll)
        self._timer.start()

    def poll(self) -> None:
        """Deliver what the child has said since the last call."""
        if self._child is not None:
            self._child.poll()

    def wait(self) -> Result:
        """Block until the end and return the result, or raise the error."""
        self._child.wait()
        if self.error is not None:
            raise self.error
        return self.result

    def stop(self, reason: str) -> None:
        """Kill the child with all it started; the listener is told `Cancelled(reason)`."""
        if self.isRunning:
            self._stopReason = reason
            self._child.cancel()

    def _job(self) -> SegmentJob:
        paths = []
        for role, node in self.inputs.items():
            path = self._folder / f"{role}.nrrd"
            writeNode(node, role, path, next(iter(self.inputs.values()), None))
            paths.append((role, str(path)))
        return SegmentJob(
            inputs=tuple(paths),
            output=str(self._folder / "result"),
            model=self.model,
            brain_mask=self._writeBrainMask(),
            register=self.settings.registerChannels,
            threshold=self.settings.threshold,
            min_volume_ml=self.settings.minVolumeMl,
            device=self.settings.device,
            seed=self.settings.seed,
            lean=self.settings.lean,
        )

    def _writeBrainMask(self) -> str | None:
        node = self.settings.brainMask
        if node is None:
            return None
        refuse(unusableMask(node, next(iter(self.inputs.values()), None)))
        path = self._folder / "brain.nrrd"
        if not node.IsA("vtkMRMLSegmentationNode"):
            writeNode(node, _("The brain mask"), path)
            return str(path)
        labelmap = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
        labelmap.SetHideFromEditors(True)
        try:
            exported = slicer.modules.segmentations.logic().ExportAllSegmentsToLabelmapNode(
                node, labelmap, slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
            )
            if not exported:
                raise UserError(_("The brain mask has no segment."), _("Choose a segmentation of the brain, or None."))
            writeNode(labelmap, _("The brain mask"), path)
        finally:
            slicer.mrmlScene.RemoveNode(labelmap)
        return str(path)

    def _onPhase(self, name: str, text: str) -> None:
        if name == "device":
            device, _separator, reason = text.partition(": ")
            self._listener.deviceChosen(device, reason)

    def _onWarning(self, text: str) -> None:
        self._warnings.append(text)
        self._listener.warning(text)

    def _onFinished(self, payload: dict) -> None:
        self._stopObserving()
        try:
            nodes = show_result(self._folder / "result", self.inputs)
            if self.segmentation is not None:
                moveSegments(nodes, self.segmentation)
        except Exception as error:  # the border to the scene: the run must end and the folder must go
            logging.exception("the result could not be shown")
            self._end(error)
            return
        self._removeFolder()
        report = payload["report"]
        self.result = Result(
            self.segmentation or nodes.segmentation,
            nodes.probability,
            nodes.table,
            report,
            nodes.report,
            tuple(self._warnings),
        )
        self._listener.finished(self.result)

    def _onFailed(self, error: Exception) -> None:
        self._stopObserving()
        self._end(Cancelled(self._stopReason) if isinstance(error, Cancelled) else error)

    def _end(self, error: Exception) -> None:
        self._removeFolder()
        self.error = error
        self._listener.failed(error)

    def _stopObserving(self) -> None:
        self.removeObservers()
        if self._timer is not None:
            self._timer.stop()

    def _removeFolder(self) -> None:
        try:
            shutil.rmtree(self._folder)
        except OSError as error:  # a virus scanner may hold a file for a moment; the run itself has ended well
            logging.warning("LesionLens: a temporary folder could not be removed: %s", error)

    def _onSceneClose(self, caller: Any, event: str) -> None:
        self.stop(_("Stopped, because the scene was closed."))

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, caller: Any, event: str, node: Any) -> None:
        used = [*self.inputs.values(), self.segmentation, self.settings.brainMask]
        if any(node is other for other in used if other is not None):
            self.stop(_("Stopped, because {name} was removed from the scene.").format(name=node.GetName()))


def writeNode(node: Any, title: str, path: Path, reference: Any = None) -> None:
    """Write a volume node as NRRD; raises `UserError` where it is unusable, alone or beside `reference`."""
    refuse(unusable(node, title, reference))
    write_volume(volume_of_node(node), path, compress=False)


def refuse(problem: str) -> None:
    """Raise `UserError` with what is wrong with a node, if anything is."""
    if problem:
        raise UserError(
            problem,
            _(
                "Choose another image, harden its transform in the module Data, or resample it in the module Resample "
                "Scalar/Vector/DWI Volume."
            ),
        )
