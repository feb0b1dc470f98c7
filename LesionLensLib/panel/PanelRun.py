"""One piece of work from nodes to nodes: files for the child process, the child, and its results in the scene."""

import logging
import shutil
import tempfile
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from LesionLensLib.errors import Cancelled, EnvironmentFault, UserError
from LesionLensLib.jobs import CaseJob
from LesionLensLib.process import ChildRun
from LesionLensLib.scene.stepwise import Showing

POLL_INTERVAL_MS = 100


@dataclass
class Listener:
    """Who is told: `progress(fraction, text)`, `warning(text)`, `deviceChosen(name, reason)`; then once
    `finished(result)` or `failed(error)`.
    """

    progress: Callable[[float, str], None] = field(default=lambda fraction, text: None)
    warning: Callable[[str], None] = field(default=lambda text: None)
    deviceChosen: Callable[[str, str], None] = field(default=lambda name, reason: None)
    finished: Callable[[Any], None] = field(default=lambda result: None)
    failed: Callable[[Exception], None] = field(default=lambda error: None)


class PanelRun(VTKObservationMixin):
    """Runs once. `start` and a timer that calls `poll`, or `start` and `wait`; `stop(reason)` ends it at any time.

    A subclass says what is done: `writeJob` and `showing`. A closed scene, and the removal of one of `usedNodes`,
    stop the run too, also while its result is being shown, which goes in steps between which the window answers; none
    of its nodes is left then. `error` or `result` is set at the end, the temporary folder is gone then, and the
    listener has been told. `program` is the command that does the work, where it is not this library's own.
    """

    def __init__(self, usedNodes: list[Any], listener: Listener, program: list[str] | None = None) -> None:
        VTKObservationMixin.__init__(self)
        self.result: Any = None
        self.error: Exception | None = None
        self._usedNodes = [node for node in usedNodes if node is not None]
        self._listener = listener
        self._program = program
        self._folder: Path | None = None
        self._child: ChildRun | None = None
        self._timer: Any = None
        self._warnings: list[str] = []
        self._stopReason = ""
        self._showing: Showing[Any] | None = None

    def writeJob(self, folder: Path) -> CaseJob:
        """Write the inputs into `folder` and return the job, whose output is `folder / "result"`."""
        raise NotImplementedError

    def showing(self, folder: Path, report: dict[str, Any], warnings: tuple[str, ...]) -> Generator[None, None, Any]:
        """Put the result folder into the scene in short steps and return what the listener gets."""
        raise NotImplementedError

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
        self._folder = _newFolder(Path(slicer.app.temporaryPath))
        try:
            self._child = ChildRun(
                self.writeJob(self._folder),
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
        slicer.app.connect("aboutToQuit()", self._onQuit)  # a run from the console has no panel that would be closed

    def poll(self) -> None:
        """Deliver what the child has said since the last call, or show the next piece of its result."""
        if self._showing is not None:
            self._showNext()
        elif self._child is not None:
            self._child.poll()

    def wait(self) -> Any:
        """Block until the end and return the result, or raise the error."""
        if self._child is not None:
            self._child.wait()
        while self.isRunning:
            self._showNext()
        if self.error is not None:
            raise self.error
        return self.result

    def stop(self, reason: str) -> None:
        """Kill the child with all it started; the listener is told `Cancelled(reason)`."""
        if not self.isRunning or self._child is None:
            return
        self._stopReason = reason
        if self._showing is None:
            self._child.cancel()
        elif not self._showing.is_busy:  # else the step that is under way looks for the reason when it is done
            self._dropShown()

    def _onPhase(self, name: str, text: str) -> None:
        if name == "device":
            device, _separator, reason = text.partition(": ")
            self._listener.deviceChosen(device, reason)

    def _onWarning(self, text: str) -> None:
        self._warnings.append(text)
        self._listener.warning(text)

    def _onFinished(self, payload: dict[str, Any]) -> None:
        folder = Path(self._folder or "") / "result"
        self._showing = Showing(self.showing(folder, payload["report"], tuple(self._warnings)))
        self._listener.progress(1.0, _("Showing the result"))
        if self._timer is not None:
            self._timer.setInterval(0)

    def _showNext(self) -> None:
        showing = self._showing
        if showing is None or showing.is_busy:
            return
        try:
            isDone = showing.step()
        except Exception as error:  # the border to the scene: the run must end and the folder must go
            logging.exception("the result could not be shown")
            self._stopObserving()
            self._end(error)
            return
        if self._stopReason:
            self._dropShown()
        elif isDone:
            self._stopObserving()
            self._removeFolder()
            self.result = showing.result
            self._listener.finished(showing.result)

    def _dropShown(self) -> None:
        self._stopObserving()
        if self._showing is not None:
            self._showing.undo()
        self._end(Cancelled(self._stopReason))

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
            slicer.app.disconnect("aboutToQuit()", self._onQuit)

    def _removeFolder(self) -> None:
        if self._folder is None:
            return
        try:
            shutil.rmtree(self._folder)
        except OSError as error:  # a virus scanner may hold a file for a moment; the run itself has ended well
            logging.warning("LesionLens: a temporary folder could not be removed: %s", error)

    def _onSceneClose(self, caller: Any, event: str) -> None:
        self.stop(_("Stopped, because the scene was closed."))

    def _onQuit(self) -> None:
        self.stop(_("Stopped, because the application was closed."))

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, caller: Any, event: str, node: Any) -> None:
        if any(node is other for other in self._usedNodes):
            self.stop(_("Stopped, because {name} was removed from the scene.").format(name=node.GetName()))


def _newFolder(parent: Path) -> Path:
    """Make a folder of one's own; raises `EnvironmentFault` where that cannot be.

    Systems tidy temporary folders away, also that of an application that has been open for days.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="LesionLens-", dir=parent))
    except OSError as error:
        raise EnvironmentFault(
            _("The temporary folder of the application cannot be used: {reason}.").format(
                reason=error.strerror or _("unknown reason")
            ),
            _("Free some space, or name another temporary folder in the application's settings under Modules."),
            repr(error),
        ) from error


class RunSlot:
    """The one run that a logic has under way at a time."""

    def __init__(self) -> None:
        self._run: PanelRun | None = None

    @property
    def isRunning(self) -> bool:
        """Whether work started by `start` is under way."""
        return self._run is not None and self._run.isRunning

    @property
    def log(self) -> str:
        """What the last run's program wrote."""
        return self._run.log if self._run is not None else ""

    def start(self, run: PanelRun) -> None:
        """Start a run that the application's event loop keeps going; raises as `PanelRun.start`."""
        self._run = run
        run.start()
        run.startTimer()

    def refuseSecond(self) -> None:
        """Raise `UserError` where work is under way."""
        if self.isRunning:
            raise UserError(_("Work of this module is already running."), _("Wait for it or cancel it."))

    def cancel(self, reason: str) -> None:
        """Stop what is under way: its process and all it left are gone when this returns."""
        if self._run is not None and self._run.isRunning:
            self._run.stop(reason or _("Cancelled."))


def listenerOf(**callbacks: Any) -> Listener:
    """Return a listener that calls those of the callbacks that are given."""
    return Listener(**{name: call for name, call in callbacks.items() if call is not None})
