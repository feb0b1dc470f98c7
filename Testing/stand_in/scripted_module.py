"""The base classes of scripted modules, with the methods that ours use."""

from __future__ import annotations

import logging
import sys
import unittest
from pathlib import Path
from typing import Any

import slicer


class ScriptedLoadableModule:
    """The module as the application lists it."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title, parent.categories, parent.dependencies, parent.contributors = "", [], [], []
        parent.helpText = parent.acknowledgementText = ""

    def resourcePath(self, filename: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / filename)


class ScriptedLoadableModuleWidget:
    """The panel."""

    def __init__(self, parent: Any) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.parent = parent
        self.layout = parent.layout()

    def resourcePath(self, filename: str) -> str:
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self) -> None:
        """Nothing: there is no developer section."""

    def cleanup(self) -> None:
        """For subclasses."""

    def onReload(self) -> None:
        """Load the file again and close the old panel, as `slicer.util.reloadScriptedModule` begins to."""
        del sys.modules[self.moduleName]
        __import__(self.moduleName)
        self.cleanup()


class ScriptedLoadableModuleLogic:
    """The logic; its parameter node is a singleton."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.vtkMRMLScriptedModuleNode()
            node.SetSingletonTag(self.moduleName)
            node.SetName(self.moduleName)
            node.SetModuleName(self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        node.SetAttribute("ModuleName", self.moduleName)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """The self test."""

    def delayDisplay(self, message: str, *_: Any) -> None:
        logging.info(message)

    def runTest(self) -> None:
        """For subclasses."""


def tr(text: str) -> str:
    """No translation is installed."""
    return text


def translate(context: str, text: str) -> str:
    """No translation is installed."""
    return text
