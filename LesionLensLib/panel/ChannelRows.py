"""One row of controls for each image the model needs, made from the model card.

The chosen image of a role is kept in the parameter node as the node reference `Channel_<role>`, so that it is saved
with the scene and follows the node; it is no parameter of the wrapper, whose names are fixed at import while the
roles come from the card.
"""

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

REFERENCE_PREFIX = "Channel_"
VOLUME_CLASS = "vtkMRMLScalarVolumeNode"
GOOD = '<font color="green">\u2713</font>'
MARKS = {"error": '<font color="red">\u2717</font>', "warning": '<font color="#b35900"><b>!</b></font>'}
COLORS = {"error": "red", "warning": "#b35900"}


def channelNode(parameterNode: Any, role: str) -> Any:
    """Return the volume node chosen for a role, or None; `parameterNode` is the vtkMRMLScriptedModuleNode."""
    return parameterNode.GetNodeReference(REFERENCE_PREFIX + role)


def setChannelNode(parameterNode: Any, role: str, node: Any) -> None:
    """Choose the volume node of a role; None clears the choice."""
    if channelNode(parameterNode, role) is not node:
        parameterNode.SetNodeReferenceID(REFERENCE_PREFIX + role, node.GetID() if node else None)


@dataclass
class ChannelRow:
    """The widgets of one role and the node that is suggested for it."""

    role: str
    title: qt.QLabel
    selector: Any
    mark: qt.QLabel
    hint: qt.QLabel
    suggestion: Any = None

    def widgets(self) -> tuple[Any, ...]:
        """Return all widgets of the row."""
        return (self.title, self.selector, self.mark, self.hint)


class ChannelRows:
    """Builds the rows inside `container` and keeps them and the parameter node equal.

    `imageFindings(role, nodes)` returns what is wrong with the image of a role, the worst first, nothing where it is
    fine; `suggestedRole(node)` returns the role a volume looks like, or None.
    """

    def __init__(
        self,
        container: Any,
        imageFindings: Callable[[str, dict[str, Any]], tuple[Any, ...]],
        suggestedRole: Callable[[Any], str | None],
    ) -> None:
        self._container = container
        self._layout = qt.QGridLayout(container)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setColumnStretch(1, 1)
        self._imageFindings = imageFindings
        self._suggestedRole = suggestedRole
        self._parameterNode: Any = None
        self._rows: dict[str, ChannelRow] = {}
        self._updating = False

    @property
    def rows(self) -> dict[str, ChannelRow]:
        """The rows by role."""
        return dict(self._rows)

    def build(self, card: Any) -> None:
        """Make the rows of a model; those of the last one go. None, for a model that is not installed, makes none."""
        for row in self._rows.values():
            for widget in row.widgets():
                self._layout.removeWidget(widget)
                widget.hide()
                widget.deleteLater()
        self._rows = {}
        for index, channel in enumerate(card.channel_def if card is not None else ()):
            self._rows[channel.role] = self._makeRow(index, channel, channel.role == card.reference_role)
        self.refresh()

    def setParameterNode(self, parameterNode: Any) -> None:
        """Show the choices of another parameter node; None while the scene is being closed."""
        self._parameterNode = parameterNode
        self.refresh()

    def nodes(self) -> dict[str, Any]:
        """Return the chosen node of each role that has one, in the order of the model's channels."""
        if self._parameterNode is None:
            return {}
        chosen = {role: channelNode(self._parameterNode, role) for role in self._rows}
        return {role: node for role, node in chosen.items() if node is not None}

    def suggestions(self) -> dict[str, Any]:
        """Return the suggested node of each role that is still empty."""
        return {row.role: row.suggestion for row in self._rows.values() if row.suggestion is not None}

    def acceptSuggestions(self) -> None:
        """Choose the suggested node in every row that is empty."""
        for role, node in self.suggestions().items():
            setChannelNode(self._parameterNode, role, node)
        self.refresh()

    def choose(self, nodes: dict[str, Any]) -> None:
        """Choose these nodes by role."""
        for role, node in nodes.items():
            if role in self._rows:
                setChannelNode(self._parameterNode, role, node)
        self.refresh()

    def forget(self, node: Any) -> None:
        """Clear the choice of a node that is about to be removed, before the selectors strike it off their lists."""
        if any(chosen is node for chosen in self.nodes().values()):
            for role, chosen in self.nodes().items():
                if chosen is node:
                    setChannelNode(self._parameterNode, role, None)
            self.refresh()

    def refresh(self) -> None:
        """Show the choices of the parameter node, new suggestions, and what is wrong with the geometry."""
        if self._updating or self._parameterNode is None:
            return
        self._updating = True
        try:
            chosen = self.nodes()
            self._suggest(chosen)
            for row in self._rows.values():
                row.selector.setCurrentNode(chosen.get(row.role))
                self._showState(row, chosen)
        finally:
            self._updating = False

    def _makeRow(self, index: int, channel: Any, isReference: bool) -> ChannelRow:
        title = qt.QLabel(channel.role + ":")
        title.toolTip = channel.title or channel.role
        selector = slicer.qMRMLNodeComboBox()
        selector.nodeTypes = [VOLUME_CLASS]
        selector.showChildNodeTypes = False
        # With None in the list the widget never selects the first volume of the scene by itself.
        selector.noneEnabled = True
        selector.addEnabled = False
        selector.removeEnabled = False
        selector.objectName = f"channelSelector_{channel.role}"
        selector.toolTip = _("The {role} image.").format(role=channel.title or channel.role)
        if isReference:
            selector.toolTip += " " + _("Results are made on its voxel grid.")
        mark, hint = qt.QLabel(), qt.QLabel()
        mark.objectName = f"channelMark_{channel.role}"
        mark.setMinimumWidth(14)
        hint.objectName = f"channelHint_{channel.role}"
        hint.textFormat = qt.Qt.RichText  # names are escaped, which Qt must know even where there is no tag
        hint.wordWrap = True
        hint.hide()
        for column, widget in enumerate((title, selector, mark)):
            self._layout.addWidget(widget, 2 * index, column)
        self._layout.addWidget(hint, 2 * index + 1, 1, 1, 2)
        selector.setMRMLScene(slicer.mrmlScene)
        selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: self._onSelected(channel.role, node))
        hint.connect("linkActivated(QString)", lambda link: self._onLink(channel.role))
        return ChannelRow(channel.role, title, selector, mark, hint)

    def _onSelected(self, role: str, node: Any) -> None:
        if not self._updating and self._parameterNode is not None:
            setChannelNode(self._parameterNode, role, node)
            self.refresh()

    def _onLink(self, role: str) -> None:
        setChannelNode(self._parameterNode, role, self._rows[role].suggestion)
        self.refresh()

    def _suggest(self, chosen: dict[str, Any]) -> None:
        volumes = slicer.util.getNodesByClass(VOLUME_CLASS) if self._rows else []
        looksLike = [(self._suggestedRole(node), node) for node in volumes if self._isOffered(node, chosen)]
        for row in self._rows.values():
            fitting = [node for role, node in looksLike if role == row.role]
            row.suggestion = fitting[0] if fitting and row.role not in chosen else None

    @staticmethod
    def _isOffered(node: Any, chosen: dict[str, Any]) -> bool:
        return (
            node.GetClassName() == VOLUME_CLASS
            and not node.GetHideFromEditors()
            and all(node is not other for other in chosen.values())
        )

    def _showState(self, row: ChannelRow, chosen: dict[str, Any]) -> None:
        if row.role not in chosen:
            row.mark.text, row.mark.toolTip = "", ""
            name = html.escape(row.suggestion.GetName()) if row.suggestion is not None else ""
            text = _("Suggested: {name}").format(name=f'<a href="use">{name}</a>') if name else ""
        else:
            worst = next(iter(self._imageFindings(row.role, chosen)), None)
            row.mark.text = MARKS[worst.severity] if worst else GOOD
            row.mark.toolTip = worst.text if worst else _("The position and the voxel size of this image are fine.")
            text = f'<font color="{COLORS[worst.severity]}">{html.escape(worst.text)}</font>' if worst else ""
        row.hint.text = text
        row.hint.setVisible(bool(text))
