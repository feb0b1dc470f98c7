"""Which of the answers of a model is explained: a list of the outputs that its card names."""

from typing import Any

from slicer.i18n import tr as _


class TargetChoice:
    """Keeps a QComboBox and the parameter `target` of a typed parameter node equal, for the model that is shown.

    The list is locked, with a tool tip that says why, where a model has a single answer.
    """

    def __init__(self, comboBox: Any) -> None:
        self._comboBox, self._parameterNode, self._shown = comboBox, None, None
        comboBox.connect("currentIndexChanged(int)", self._onSelected)

    def setParameterNode(self, parameterNode: Any) -> None:
        """Follow another typed parameter node; None lets go of the last."""
        self._parameterNode = parameterNode

    def show(self, card: Any) -> None:
        """List the answers of the model of `card`, None for no model, and select the chosen one."""
        choices = targetsOf(card)
        wasBlocked = self._comboBox.blockSignals(True)
        if choices != self._shown:
            self._shown = choices
            self._comboBox.clear()
            for name, title in choices:
                self._comboBox.addItem(title, name)
        self._comboBox.setCurrentIndex(self._comboBox.findData(self.chosen(card) or ""))
        self._comboBox.blockSignals(wasBlocked)
        self._comboBox.enabled = len(choices) > 1
        several = _("Which of the answers of the model is explained.")
        self._comboBox.toolTip = several if len(choices) > 1 else _("This model has one answer.")

    def chosen(self, card: Any) -> str | None:
        """Return the output to explain, None where the model names none."""
        names = [name for name, _title in targetsOf(card) if name]
        chosen = self._parameterNode.target if self._parameterNode is not None else ""
        return chosen if chosen in names else names[0] if names else None

    def _onSelected(self, index: int) -> None:
        if self._parameterNode is not None and index >= 0:
            self._parameterNode.target = self._comboBox.itemData(index)


def targetsOf(card: Any) -> list:
    """Return name and title of every answer of a model; one without a name for a model that measures nothing."""
    if card is None:
        return []
    if card.regression is not None:
        return [(output.name, output.title or output.name) for output in card.regression.outputs]
    if card.outcome is not None:
        return [("", _("Probability of {event}").format(event=card.outcome.event))]
    return [("", _("Mean probability of {name}").format(name=card.labels[0].name))]
