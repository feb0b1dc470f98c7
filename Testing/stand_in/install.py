"""Puts the stand-in where scripted modules look for Slicer, and opens their panels."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

ROOT = Path(__file__).resolve().parents[2]
PANEL_SIZE = (430, 750)  # Slicer's module panel on a laptop


def install() -> Any:
    """Start the real scene, make `qt`, `ctk` and the widget half of `slicer` importable; return `slicer`.

    Raises `ImportError` where Qt's system libraries are missing. A second call changes nothing.
    """
    from LesionLensLib.scene.start import start

    slicer = start()
    if "qt" in sys.modules:
        return slicer
    from PySide6 import QtCore, QtGui, QtTest, QtWidgets

    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["stand-in"])
    _keep_settings_apart(QtCore)
    from Testing.stand_in import ctk_widgets, manners, mrml_widgets

    manners.adopt(QtCore, QtGui, QtWidgets)
    from Testing.stand_in.ui_loader import QUiLoader

    qt, ctk = types.ModuleType("qt"), types.ModuleType("ctk")
    for module in (QtCore, QtGui, QtWidgets, QtTest):
        # `dir` and not `vars`: PySide6 makes its classes when they are first asked for.
        vars(qt).update({name: getattr(module, name) for name in dir(module) if not name.startswith("_")})
    qt.QUiLoader = QUiLoader  # type: ignore[attr-defined]
    vars(ctk).update({cls.__name__: cls for cls in ctk_widgets.CTK_WIDGETS})
    sys.modules.update(qt=qt, ctk=ctk)
    for cls in mrml_widgets.MRML_WIDGETS:
        setattr(slicer, cls.__name__, cls)
    _give_modules(slicer)
    _complete_application(slicer.app, application)
    return slicer


def _keep_settings_apart(core: Any) -> None:
    """A test must never read or write the settings of whoever runs it."""
    core.QCoreApplication.setOrganizationName("LesionLensTests")
    core.QSettings.setDefaultFormat(core.QSettings.Format.IniFormat)
    core.QSettings.setPath(core.QSettings.Format.IniFormat, core.QSettings.Scope.UserScope, tempfile.mkdtemp())


def _give_modules(slicer: Any) -> None:
    from Testing.stand_in import parameter_node, scripted_module

    parts = {
        "ScriptedLoadableModule": (scripted_module, [n for n in vars(scripted_module) if n.startswith("Scripted")]),
        "i18n": (scripted_module, ["tr", "translate"]),
        "parameterNodeWrapper": (parameter_node, ["parameterNodeWrapper", "WithinRange"]),
    }
    for name, (source, members) in parts.items():
        module = types.ModuleType(f"slicer.{name}")
        vars(module).update({member: getattr(source, member) for member in members})
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)


def _complete_application(app: Any, application: Any) -> None:
    """The application's signals and cursor; `startupCompleted` is never sent, tests call its slots."""
    app.slots = []
    app.connect = lambda signature, slot: app.slots.append((signature, slot))
    app.disconnect = lambda signature, slot: app.slots.remove((signature, slot))
    app.processEvents = application.processEvents
    app.setOverrideCursor = application.setOverrideCursor
    app.restoreOverrideCursor = application.restoreOverrideCursor


class PanelHost:
    """Opens the panel of a module as the application does, in a window of the size it has on a laptop."""

    def __init__(self, module_name: str, folder: Path | None = None) -> None:
        """Open the panel of the module file in `folder`; without one, of that in the source tree."""
        import qt
        import slicer

        folder = folder or ROOT / module_name
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        self.module = importlib.import_module(module_name)
        listed = types.SimpleNamespace(path=str(folder / f"{module_name}.py"))
        setattr(slicer.modules, module_name.lower(), listed)
        self.description = getattr(self.module, module_name)(listed)
        self.parent = slicer.qSlicerScriptedLoadableModuleWidget()
        self.parent.setLayout(qt.QVBoxLayout())
        self.parent.layout().setContentsMargins(0, 0, 0, 0)
        self.widget = getattr(self.module, f"{module_name}Widget")(self.parent)
        listed.widgetRepresentation = lambda: types.SimpleNamespace(self=lambda: self.widget)
        self.widget.setup()
        self.parent.isEntered = True
        getattr(self.widget, "enter", lambda: None)()  # panels need not have one
        self.parent.resize(*PANEL_SIZE)
        self.parent.show()

    @property
    def panel(self) -> Any:
        """What the module's widget has built."""
        return self.widget.panel

    def picture(self, path: Path) -> None:
        """Write a PNG of the panel as it is shown."""
        import slicer

        for _ in range(5):  # labels that wrap their words settle in steps
            slicer.app.processEvents()
        self.parent.grab().save(str(path))

    def close(self) -> None:
        """Close the panel as the application does."""
        from PySide6.QtCore import QCoreApplication, QEvent

        self.widget.cleanup()
        self.parent.hide()
        self.parent.deleteLater()
        # Outside of a running event loop nothing else deletes it, and its selectors would go on listing every node.
        QCoreApplication.sendPostedEvents(None, QEvent.DeferredDelete)
