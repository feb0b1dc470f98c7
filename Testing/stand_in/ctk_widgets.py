"""The CTK widgets that the panels use, with the properties and signals of the real ones."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, Signal

HEADER_HEIGHT = 22
NO_LIMIT = 16777215  # Qt's QWIDGETSIZE_MAX


class ctkCollapsibleButton(QtWidgets.QWidget):  # noqa: N801
    """A section with a header that opens and closes it."""

    SIGNALS = {"contentsCollapsed(bool)", "clicked(bool)", "toggled(bool)"}
    contentsCollapsed = Signal(bool)
    clicked = Signal(bool)
    toggled = Signal(bool)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._text, self._collapsed = "", False
        self.setContentsMargins(0, HEADER_HEIGHT, 0, 0)

    def _set_text(self, text: str) -> None:
        self._text = text
        self.update()

    def _set_collapsed(self, collapsed: bool) -> None:
        self._collapsed = collapsed
        self.setMaximumHeight(HEADER_HEIGHT if collapsed else NO_LIMIT)  # the contents are clipped, not hidden
        self.contentsCollapsed.emit(collapsed)

    text = Property(str, lambda self: self._text, _set_text)
    collapsed = Property(bool, lambda self: self._collapsed, _set_collapsed)

    def paintEvent(self, event: Any) -> None:
        box = QtCore.QRect(0, 0, self.width, HEADER_HEIGHT - 2)
        painter = QtGui.QPainter(self)
        painter.setPen(self.palette.mid().color())
        painter.setBrush(self.palette.button())
        painter.drawRoundedRect(box.adjusted(0, 0, -1, -1), 3, 3)
        painter.setPen(self.palette.windowText().color())
        arrow = "\u25b8" if self._collapsed else "\u25be"
        painter.drawText(box.adjusted(8, 0, 0, 0), QtCore.Qt.AlignVCenter, f"{arrow}  {self._text}")
        painter.end()

    def mousePressEvent(self, event: Any) -> None:
        if event.position().y() < HEADER_HEIGHT:
            self._set_collapsed(not self._collapsed)
            self.clicked.emit(self._collapsed)


class ctkSliderWidget(QtWidgets.QWidget):  # noqa: N801
    """A slider with a spin box."""

    SIGNALS = {"valueChanged(double)", "valueIsChanging(double)"}
    valueChanged = Signal(float)
    valueIsChanging = Signal(float)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal)
        self._box = QtWidgets.QDoubleSpinBox()
        self._step = 1.0
        layout.addWidget(self._slider)
        layout.addWidget(self._box)
        self._box.valueChanged.connect(self._on_box)
        self._slider.valueChanged.connect(self._on_slider)

    def _on_box(self, value: float) -> None:
        self._slider.blockSignals(True)
        self._slider.setValue(round(value / self._step))
        self._slider.blockSignals(False)
        self.valueChanged.emit(value)

    def _on_slider(self, position: int) -> None:
        self._box.setValue(position * self._step)

    def _update_range(self) -> None:
        self._slider.setRange(round(self._box.minimum / self._step), round(self._box.maximum / self._step))

    def _set_minimum(self, value: float) -> None:
        self._box.setMinimum(value)
        self._update_range()

    def _set_maximum(self, value: float) -> None:
        self._box.setMaximum(value)
        self._update_range()

    def _set_step(self, value: float) -> None:
        self._step = value
        self._box.setSingleStep(value)
        self._update_range()

    value = Property(float, lambda self: self._box.value, lambda self, v: self._box.setValue(v))
    minimum = Property(float, lambda self: self._box.minimum, _set_minimum)
    maximum = Property(float, lambda self: self._box.maximum, _set_maximum)
    singleStep = Property(float, lambda self: self._step, _set_step)
    decimals = Property(int, lambda self: self._box.decimals, lambda self, v: self._box.setDecimals(v))


class ctkPathLineEdit(QtWidgets.QWidget):  # noqa: N801
    """A path with a button that opens the file dialogue.

    As in CTK an empty path is no acceptable input: only `validInputChanged` tells that the field was emptied.
    """

    SIGNALS = {"currentPathChanged(QString)", "validInputChanged(bool)"}
    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)
    Dirs, Files = 0x001, 0x002

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._edit, self._button = QtWidgets.QLineEdit(), QtWidgets.QToolButton()
        self._button.setText("...")
        self._filters, self._valid = self.Files, False
        layout.addWidget(self._edit)
        layout.addWidget(self._button)
        self._edit.textChanged.connect(self._on_text)

    def _on_text(self, path: str) -> None:
        was_valid, self._valid = self._valid, bool(path)
        if self._valid:
            self.currentPathChanged.emit(path)
        if self._valid != was_valid:
            self.validInputChanged.emit(self._valid)

    def _set_filters(self, filters: int) -> None:
        self._filters = filters

    currentPath = Property(str, lambda self: self._edit.text, lambda self, path: self._edit.setText(path))
    filters = Property(int, lambda self: self._filters, _set_filters)


CTK_WIDGETS = (ctkCollapsibleButton, ctkSliderWidget, ctkPathLineEdit)
