"""Get a running `slicer`: the desktop application's own, or the same MRML libraries without Qt and display."""

from __future__ import annotations

import atexit
import colorsys
import importlib.metadata
import shutil
import tempfile
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import vtk

from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.scene.hierarchy_keeper import HierarchyKeeper
from LesionLensLib.scene.stand_alone import NamedLogic, StandAloneApplication

SHARE = "share/Slicer-5.12"
# Desktop module name in lower case -> (logic class, name the application logic knows it by).
MODULE_LOGICS = {
    "colors": ("vtkSlicerColorLogic", "Colors"),
    "units": ("vtkSlicerUnitsLogic", "Units"),
    "volumes": ("vtkSlicerVolumesLogic", "Volumes"),
    "models": ("vtkSlicerModelsLogic", "Models"),
    "markups": ("vtkSlicerMarkupsLogic", "Markups"),
    "tables": ("vtkSlicerTablesLogic", "Tables"),
    "plots": ("vtkSlicerPlotsLogic", "Plots"),
    "texts": ("vtkSlicerTextsLogic", "Texts"),
    "transforms": ("vtkSlicerTransformLogic", "Transforms"),
    "sequences": ("vtkSlicerSequencesLogic", "Sequences"),
    "terminologies": ("vtkSlicerTerminologiesModuleLogic", "Terminologies"),
    "subjecthierarchy": ("vtkSlicerSubjectHierarchyModuleLogic", "SubjectHierarchy"),
    "segmentations": ("vtkSlicerSegmentationsModuleLogic", "Segmentations"),
    "volumerendering": ("vtkSlicerVolumeRenderingLogic", "VolumeRendering"),
    "cropvolume": ("vtkSlicerCropVolumeLogic", "CropVolume"),
    "cameras": ("vtkSlicerCamerasModuleLogic", "Cameras"),
    "viewcontrollers": ("vtkSlicerViewControllersLogic", "ViewControllers"),
    "data": ("vtkSlicerDataModuleLogic", "Data"),
}


def start() -> Any:
    """Return the `slicer` package with `mrmlScene`, `app` and `modules` in place.

    In desktop Slicer, and on every later call, this returns at once. In a plain Python it starts slicer-core in the
    order the application does. Raises `EnvironmentFault` where neither is there.
    """
    slicer = _import_slicer()
    if is_desktop(slicer) or getattr(slicer, "mrmlScene", None) is not None:
        return slicer
    _start_core(slicer, _make_home())
    from LesionLensLib.scene.terminology import load_terminology

    load_terminology()
    return slicer


def is_desktop(slicer: Any) -> bool:
    """Whether `slicer` belongs to the Qt application rather than to slicer-core."""
    return getattr(getattr(slicer, "app", None), "mainApplicationName", None) is not None


def _import_slicer() -> Any:
    try:
        import slicer

        # PythonSlicer without the application has a `slicer` package that lacks the classes.
        slicer.vtkMRMLScene, slicer.vtkSlicerApplicationLogic  # noqa: B018
    except (ImportError, AttributeError) as error:
        raise EnvironmentFault(
            "Slicer's libraries are not installed in this Python.",
            "Install them with: pip install 'lesionlens[scene]', or work in 3D Slicer itself.",
            detail=repr(error),
        ) from error
    return slicer


def _start_core(slicer: Any, home: Path) -> None:
    """Create the scene and every logic; the order is the application's, and it matters."""
    scene, app_logic = slicer.vtkMRMLScene(), slicer.vtkSlicerApplicationLogic()
    # Else scenes are marked as saved by version 4.0.0, and desktop Slicer converts them as if they were that old.
    scene.SetVersion("Slicer {}.{}.{} {}".format(*importlib.metadata.version("slicer-core").split(".")))
    app_logic.SetHomeDirectory(str(home))
    app_logic.SetShareDirectory(SHARE)
    app_logic.SetTemporaryPath(tempfile.gettempdir())
    app_logic.SetMRMLScene(scene)
    input_output = _start_file_access(slicer, scene, app_logic, home)
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetCrosshairName("default")
    scene.AddNode(crosshair)
    app_logic.SetSliceLogics(vtk.vtkCollection())
    app_logic.SetViewLogics(vtk.vtkCollection())
    for view in ("ThreeD", "Slice"):
        factory = getattr(slicer, f"vtkMRML{view}ViewDisplayableManagerFactory")
        factory.GetInstance().SetMRMLApplicationLogic(app_logic)
    slicer.mrmlScene = scene
    keep_alive = (*input_output, HierarchyKeeper(slicer, scene))
    slicer.app = StandAloneApplication(slicer, scene, app_logic, keep_alive)
    slicer.modules = types.SimpleNamespace()
    for name, (class_name, registered_as) in MODULE_LOGICS.items():
        with _without_terminology_errors(registered_as):
            logic = _start_logic(getattr(slicer, class_name)(), registered_as, scene, app_logic, home)
        setattr(slicer.modules, name, NamedLogic(registered_as, logic))
    # True: the patient's right is on the left of the screen, the radiological convention.
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)


def _start_file_access(slicer: Any, scene: Any, app_logic: Any, home: Path) -> tuple[Any, ...]:
    """Reading an MRB fails with "cannot retrieve remote cache directory" without these two."""
    remote = slicer.vtkMRMLRemoteIOLogic()
    remote.SetMRMLScene(scene)
    remote.SetMRMLApplicationLogic(app_logic)
    remote.GetCacheManager().SetRemoteCacheDirectory(tempfile.mkdtemp(prefix="cache-", dir=home))
    manager = slicer.vtkDataIOManagerLogic()
    manager.SetMRMLScene(scene)
    manager.SetMRMLApplicationLogic(app_logic)
    manager.SetAndObserveDataIOManager(remote.GetDataIOManager())
    remote.AddDataIOToScene()
    return remote, manager


def _start_logic(logic: Any, registered_as: str, scene: Any, app_logic: Any, home: Path) -> Any:
    if hasattr(logic, "SetModuleShareDirectory"):  # before the scene: files are read when the scene is set
        logic.SetModuleShareDirectory(str(home / SHARE / "qt-loadable-modules" / registered_as))
    logic.SetMRMLApplicationLogic(app_logic)
    if registered_as == "Colors":
        app_logic.SetColorLogic(logic)
    logic.SetMRMLScene(scene)
    app_logic.SetModuleLogic(registered_as, logic)
    return logic


@contextmanager
def _without_terminology_errors(registered_as: str) -> Iterator[None]:
    """The Terminologies logic looks for lists that only the application ships and logs six errors without them."""
    shown = vtk.vtkObject.GetGlobalWarningDisplay()
    vtk.vtkObject.SetGlobalWarningDisplay(0 if registered_as == "Terminologies" else shown)
    try:
        yield
    finally:
        vtk.vtkObject.SetGlobalWarningDisplay(shown)


def _make_home() -> Path:
    """Make the directory tree of an installed Slicer in a temporary folder; slicer-core brings no resource files.

    Without `GenericColors.txt` every label map node complains that its colour table is missing.
    """
    home = Path(tempfile.mkdtemp(prefix="lesionlens-slicer-"))
    atexit.register(shutil.rmtree, home, True)
    colors = home / SHARE / "ColorFiles"
    colors.mkdir(parents=True)
    lines = ["# Color table file", "0 Background 0 0 0 0"]
    for index in range(1, 65):
        red, green, blue = (round(255 * c) for c in colorsys.hsv_to_rgb((index * 0.618034) % 1, 0.7, 0.95))
        lines.append(f"{index} label_{index} {red} {green} {blue} 255")
    (colors / "GenericColors.txt").write_text("\n".join(lines) + "\n")
    return home
