"""A list of named choices whose values are text: for parameters whose choices are not known when a module loads."""

from collections.abc import Sequence
from typing import Any


class ChoiceList:
    """Keeps a QComboBox and the text parameter `name` of a typed parameter node equal.

    `choices` are pairs of value and label. A value that is not among them, as from a later version's scene, is shown
    as no choice.
    """

    def __init__(self, comboBox: Any, name: str, choices: Sequence[tuple[str, str]]) -> None:
        self._comboBox, self._name = comboBox, name
        self._parameterNode: Any = None
        for value, label in choices:
            comboBox.addItem(label, value)
        comboBox.connect("currentIndexChanged(int)", self._onSelected)

    def setParameterNode(self, parameterNode: Any) -> None:
        """Show and follow another typed parameter node; None lets go of the last."""
        self._parameterNode = parameterNode
        self.refresh()

    def refresh(self) -> None:
        """Show the value as it is now."""
        if self._parameterNode is not None:
            wasBlocked = self._comboBox.blockSignals(True)
            self._comboBox.setCurrentIndex(self._comboBox.findData(self._parameterNode.getValue(self._name)))
            self._comboBox.blockSignals(wasBlocked)

    def _onSelected(self, index: int) -> None:
        if self._parameterNode is not None and index >= 0:
            self._parameterNode.setValue(self._name, self._comboBox.itemData(index))
