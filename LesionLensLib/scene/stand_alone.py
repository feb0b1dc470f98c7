"""What `slicer.app` and `slicer.modules` answer where there is no Qt application: the part that logic code needs."""

from __future__ import annotations

import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import vtk

FILE_TYPES = {
    (".seg.nrrd", ".seg.nhdr"): "SegmentationFile",
    (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd", ".dcm"): "VolumeFile",
    (".vtk", ".vtp", ".stl", ".ply", ".obj"): "ModelFile",
    (".tsv", ".csv"): "TableFile",
    (".mrml", ".mrb"): "SceneFile",
    (".h5", ".tfm"): "TransformFile",
    (".ctbl",): "ColorTableFile",
}
STORABLE_CLASSES = {
    "TableFile": "vtkMRMLTableNode",
    "TransformFile": "vtkMRMLTransformNode",
    "ColorTableFile": "vtkMRMLColorTableNode",
}


class NamedLogic:
    """A module as `slicer.modules.<name>` gives it: only `logic()`, since there is no widget."""

    def __init__(self, name: str, logic: Any) -> None:
        self.name = name
        self.path = ""
        self._logic = logic

    def logic(self) -> Any:
        """Return the module's logic."""
        return self._logic


class StandAloneApplication:
    """The part of `slicer.app` (qSlicerApplication) that works without a window."""

    applicationName = "slicer-core"  # noqa: N815 the names are Slicer's
    revision = "slicer-core"
    majorVersion, minorVersion = 5, 12  # noqa: N815

    def __init__(self, slicer: Any, scene: Any, app_logic: Any, keep_alive: tuple[Any, ...]) -> None:
        self._slicer, self._scene, self._logic, self._keep_alive = slicer, scene, app_logic, keep_alive
        self._input_output = FileAccess(slicer)

    @property
    def temporaryPath(self) -> str:  # noqa: N802
        """Where temporary files may be written, as the application logic has it."""
        return str(self._logic.GetTemporaryPath())

    def mrmlScene(self) -> Any:  # noqa: N802
        """Return the one scene."""
        return self._scene

    def applicationLogic(self) -> Any:  # noqa: N802
        """Return the application logic that every module logic is registered with."""
        return self._logic

    def processEvents(self) -> None:  # noqa: N802
        """Do nothing: there is no event queue."""

    def pauseRender(self) -> None:  # noqa: N802
        """Do nothing: nothing is drawn until a picture is asked for."""

    def resumeRender(self) -> None:  # noqa: N802
        """Do nothing: nothing is drawn until a picture is asked for."""

    def topLevelWidgets(self) -> list[Any]:  # noqa: N802
        """Return no widgets, so that `slicer.util.mainWindow()` is None."""
        return []

    def layoutManager(self) -> None:  # noqa: N802
        """Return None, as the desktop application with `--no-main-window` does."""

    def moduleManager(self) -> types.SimpleNamespace:  # noqa: N802
        """Return an object whose `module(name)` finds what `slicer.modules` has."""
        return types.SimpleNamespace(module=lambda name: getattr(self._slicer.modules, name.lower(), None))

    def commandOptions(self) -> types.SimpleNamespace:  # noqa: N802
        """Return the options of an application that runs without a window."""
        return types.SimpleNamespace(noMainWindow=True, testingEnabled=True)

    def testingEnabled(self) -> bool:  # noqa: N802
        """Return True: `slicer.util` must raise errors instead of showing them."""
        return True

    def coreIOManager(self) -> FileAccess:  # noqa: N802
        """Return what `slicer.util.loadVolume`, `saveNode` and their kin call."""
        return self._input_output

    ioManager = coreIOManager  # noqa: N815


class FileAccess:
    """Reads and writes nodes as `slicer.util.load*` and `saveNode` ask the application's IO manager to do."""

    def __init__(self, slicer: Any) -> None:
        self._slicer = slicer

    def fileType(self, name: str) -> str:  # noqa: N802
        """Return Slicer's name of the file type; what is unknown is tried as a volume."""
        lower = str(name).lower()
        return next((kind for endings, kind in FILE_TYPES.items() if lower.endswith(endings)), "VolumeFile")

    def fileWriterFileType(self, node: Any) -> str:  # noqa: N802
        """Return the type a node is written as."""
        return str(node.GetClassName())

    def loadNodes(self, file_type: str, properties: Mapping[str, Any], nodes: Any, messages: Any) -> bool:  # noqa: N802
        """Load one file and append its node to the vtkCollection `nodes`; whether it worked."""
        path = Path(properties["fileName"]).absolute()
        if not path.exists():
            return False
        if file_type == "SceneFile":
            return self._load_scene(path, bool(properties.get("clear", False)), messages)
        node = self._load_node(file_type, path, properties)
        if node is None:
            return False
        nodes.AddItem(node)
        return True

    def saveNodes(self, file_type: str, properties: Mapping[str, Any], messages: Any) -> bool:  # noqa: N802
        """Write the node of `properties["nodeID"]`, or the scene, to `properties["fileName"]`; whether it worked."""
        path = Path(properties["fileName"]).absolute()
        if file_type == "SceneFile":
            return self._save_scene(path)
        node = self._slicer.mrmlScene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode(str(path))
        storage = node.GetStorageNode()
        storage.SetFileName(str(path))
        if "useCompression" in properties:
            storage.SetUseCompression(properties["useCompression"])
        return bool(storage.WriteData(node))

    def _load_scene(self, path: Path, clear: bool, messages: Any) -> bool:
        scene = self._slicer.mrmlScene
        if path.suffix == ".mrb":
            return bool(scene.ReadFromMRB(str(path), clear, messages))
        if clear:
            scene.Clear(0)
        scene.SetURL(str(path))
        return bool(scene.Import(messages))

    def _save_scene(self, path: Path) -> bool:
        scene = self._slicer.mrmlScene
        scene.SetURL(str(path))
        scene.SetRootDirectory(str(path.parent))
        return bool(scene.WriteToMRB(str(path)) if path.suffix == ".mrb" else scene.Commit(str(path)))

    def _load_node(self, file_type: str, path: Path, properties: Mapping[str, Any]) -> Any:
        modules = self._slicer.modules
        name = properties.get("name") or path.name.split(".")[0]
        if file_type == "VolumeFile":
            return self._load_volume(path, name, properties)
        if file_type == "SegmentationFile":
            return modules.segmentations.logic().LoadSegmentationFromFile(str(path), True, name)
        if file_type == "ModelFile":
            lps = self._slicer.vtkMRMLStorageNode.CoordinateSystemLPS
            return modules.models.logic().AddModel(str(path), properties.get("coordinateSystem", lps))
        return self._load_storable(STORABLE_CLASSES.get(file_type), path, name)

    def _load_volume(self, path: Path, name: str, properties: Mapping[str, Any]) -> Any:
        logic = self._slicer.vtkSlicerVolumesLogic
        chosen = {
            "labelmap": logic.LabelMap,
            "center": logic.CenterImage,
            "singleFile": logic.SingleFile,
            "discardOrientation": logic.DiscardOrientation,
        }
        options = sum(flag for option, flag in chosen.items() if properties.get(option))
        files = vtk.vtkStringArray()
        for file in properties.get("fileNames", []):
            files.InsertNextValue(str(file))
        return self._slicer.modules.volumes.logic().AddArchetypeVolume(str(path), name, options, files)

    def _load_storable(self, class_name: str | None, path: Path, name: str) -> Any:
        if class_name is None:
            return None
        scene = self._slicer.mrmlScene
        node = scene.AddNewNodeByClass(class_name, name)
        node.AddDefaultStorageNode(str(path))
        if node.GetStorageNode().ReadData(node):
            return node
        scene.RemoveNode(node)
        return None

