"""A `qt.QUiLoader` that knows Slicer's widgets and makes the connections whose argument types only Slicer knows."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from typing import Any

from PySide6 import QtCore, QtUiTools

from Testing.stand_in.ctk_widgets import CTK_WIDGETS
from Testing.stand_in.manners import connect
from Testing.stand_in.mrml_widgets import MRML_WIDGETS

PARTS = ("sender", "signal", "receiver", "slot")


class QUiLoader(QtUiTools.QUiLoader):
    """Loads .ui files of scripted modules."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        for cls in (*CTK_WIDGETS, *MRML_WIDGETS):
            self.registerCustomWidget(cls)

    def load(self, file: Any, parent: Any = None) -> Any:
        """Load an open QFile; raises `RuntimeError` where a widget class is unknown."""
        root = ElementTree.fromstring(bytes(file.readAll().data()))
        self._refuse_unknown_classes(root)
        pending = _take_connections(root)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        widget = super().load(buffer, parent)
        for sender, signal, receiver, slot in pending:
            name = re.match(r"\w+", slot)
            connect(_named(widget, sender), signal, getattr(_named(widget, receiver), name.group(0) if name else slot))
        return widget

    def _refuse_unknown_classes(self, root: ElementTree.Element) -> None:
        unknown = {element.get("class") for element in root.iter("widget")} - set(self.availableWidgets())
        if unknown:
            raise RuntimeError(f"unknown widget classes in the .ui file: {sorted(map(str, unknown))}")


def _take_connections(root: ElementTree.Element) -> list[tuple[str, ...]]:
    taken = []
    for connections in root.findall("connections"):
        for connection in list(connections):
            texts = tuple(connection.findtext(part) or "" for part in PARTS)
            if "vtk" in texts[1]:
                taken.append(texts)
                connections.remove(connection)
    return taken


def _named(widget: Any, name: str) -> Any:
    found = widget if widget.objectName == name else widget.findChild(QtCore.QObject, name)
    if found is None:
        raise RuntimeError(f"the .ui file connects {name}, which it does not hold")
    return found
