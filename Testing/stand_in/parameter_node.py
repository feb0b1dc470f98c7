"""`slicer.parameterNodeWrapper` for the types and widgets that our panels bind: typed parameters kept in the node.

As in Slicer: parameters are stored as text under their name, enums by the name of the member, nodes as references;
a value of a wrong type or out of range raises; a widget is bound by its dynamic property SlicerParameterName.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import qt
import slicer
import vtk

PROPERTY = "SlicerParameterName"


@dataclass(frozen=True)
class WithinRange:
    """The value lies between the two bounds."""

    minimum: float
    maximum: float

    def validate(self, value: float) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value must be within range [{self.minimum}, {self.maximum}], is {value}")


@dataclass(frozen=True)
class Parameter:
    """Name, type (without annotations), range and default of one parameter."""

    name: str
    type: Any
    range: WithinRange | None
    default: Any

    @property
    def node_types(self) -> tuple[type, ...]:
        """The MRML classes of a node parameter; empty for all others."""
        choices = typing.get_args(self.type) if typing.get_origin(self.type) is typing.Union else (self.type,)
        return tuple(c for c in choices if isinstance(c, type) and issubclass(c, slicer.vtkMRMLNode))

    @property
    def keys(self) -> list[str]:
        """The names under which it is stored: one for each type of a union, the position of the type behind it."""
        count = len(typing.get_args(self.type)) if typing.get_origin(self.type) is typing.Union else 0
        return [f"{self.name}_{index}" for index in range(count)] or [self.name]

    def is_in(self, node: Any) -> bool:
        return any(node.HasParameter(key) for key in self.keys)

    def _place_of(self, value: Any) -> int:
        return next(place for place, cls in enumerate(self.node_types) if isinstance(value, cls))

    def write(self, node: Any, value: Any) -> None:
        if self.node_types:
            if value is not None and not isinstance(value, self.node_types):
                raise ValueError(f"{self.name} cannot hold a {type(value).__name__}")
            for key in self.keys:
                node.UnsetParameter(key)
                node.SetNodeReferenceID(key, None)
            key = self.keys[-1] if value is None else self.keys[self._place_of(value)]
            node.SetParameter(key, "")
            node.SetNodeReferenceID(key, value.GetID() if value is not None else None)
            return
        accepted = (int, float) if self.type is float else self.type
        if not isinstance(value, accepted) or (isinstance(value, bool) and self.type is not bool):
            raise ValueError(f"{self.name} cannot hold {value!r}")
        if self.range is not None:
            self.range.validate(value)
        node.SetParameter(self.name, value.name if isinstance(value, enum.Enum) else str(value))

    def read(self, node: Any) -> Any:
        if self.node_types:
            return next((n for n in map(node.GetNodeReference, self.keys) if n is not None), None)
        text = node.GetParameter(self.name)
        if self.type is bool:
            return text == "True"
        return self.type[text] if issubclass(self.type, enum.Enum) else self.type(text)


def parameterNodeWrapper(cls: type) -> type:
    """Turn a class of annotations into a typed view of a parameter node."""
    parameters = {
        name: _parameter(cls, name, hint) for name, hint in typing.get_type_hints(cls, None, None, True).items()
    }
    for name, parameter in parameters.items():
        setattr(cls, name, _accessor(parameter))
    members = {
        "allParameters": parameters,
        "__init__": _init,
        "connectGui": _connect_gui,
        "connectParametersToGui": _connect_parameters_to_gui,
        "disconnectGui": _disconnect_gui,
        "StartModify": lambda self: self.parameterNode.StartModify(),
        "EndModify": lambda self, was: self.parameterNode.EndModify(was),
        "AddObserver": lambda self, event, call, rank=0.0: self.parameterNode.AddObserver(event, call, rank),
        "RemoveObserver": lambda self, tag: self.parameterNode.RemoveObserver(tag),
        "getValue": lambda self, name: getattr(self, _known(self, name)),
        "setValue": lambda self, name, value: setattr(self, _known(self, name), value),
    }
    taken = sorted(set(parameters) & set(members))
    if taken:
        raise ValueError(f"Cannot use reserved names {taken} in a parameterNodeWrapper")
    for name, member in members.items():
        setattr(cls, name, member)
    return cls


def _parameter(cls: type, name: str, hint: Any) -> Parameter:
    annotations = typing.get_args(hint)[1:] if typing.get_origin(hint) is typing.Annotated else ()
    plain = typing.get_args(hint)[0] if annotations else hint
    bounds = next((a for a in annotations if isinstance(a, WithinRange)), None)
    if isinstance(plain, type) and issubclass(plain, enum.Enum):
        fallback = next(iter(plain))
    else:
        fallback = {str: "", float: 0, int: 0, bool: False}.get(plain)
    return Parameter(name, plain, bounds, getattr(cls, name, fallback))


def _accessor(parameter: Parameter) -> property:
    def write(self: Any, value: Any) -> None:
        with slicer.util.NodeModify(self.parameterNode):
            parameter.write(self.parameterNode, value)

    return property(lambda self: parameter.read(self.parameterNode), write)


def _init(self: Any, node: Any) -> None:
    self.parameterNode = node
    self._guis: dict[int, dict[str, Connector]] = {}
    self._next_tag = 0
    self._updating = False
    for parameter in self.allParameters.values():
        if not parameter.is_in(node):
            parameter.write(node, parameter.default)


@dataclass
class Connector:
    """How the value of a kind of widget is read, written and followed."""

    widget: Any
    read: Callable[[], Any]
    write: Callable[[Any], None]
    signal: Any
    slot: Callable[..., None] = lambda *_: None


def _connect_gui(self: Any, gui: Any) -> None:
    """Returns nothing, as in Slicer up to and after 5.10 (pull request 8667): the connections cannot be undone."""
    named = {widget.property(PROPERTY): widget for widget in vars(gui).values()}
    _connect_parameters_to_gui(self, {name: widget for name, widget in named.items() if name})


def _connect_parameters_to_gui(self: Any, widgets: dict[str, Any]) -> int:
    bound = {name: _connector(widget, self.allParameters[_known(self, name)]) for name, widget in widgets.items()}
    tag = self._next_tag
    self._next_tag += 1
    self._guis[tag] = bound
    for name, connector in bound.items():
        connector.write(getattr(self, name))
        connector.slot = _make_slot(self, name, connector)
        connector.signal.connect(connector.slot)
    # As in Slicer, this is never removed and keeps the wrapper alive as long as its node.
    self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: _update_guis(self))
    return tag


def _known(self: Any, name: str) -> str:
    if name not in self.allParameters:
        raise ValueError(f"Cannot find a param with the given name: {name}")
    return name


def _disconnect_gui(self: Any, tag: int) -> None:
    for connector in self._guis.pop(tag, {}).values():
        connector.signal.disconnect(connector.slot)


def _make_slot(self: Any, name: str, connector: Connector) -> Callable[..., None]:
    def slot(*_: Any) -> None:
        if not self._updating:
            setattr(self, name, connector.read())

    return slot


def _update_guis(self: Any) -> None:
    if self._updating:
        return
    self._updating = True
    try:
        for bound in self._guis.values():
            for name, connector in bound.items():
                connector.write(getattr(self, name))
    finally:
        self._updating = False


def _connector(widget: Any, parameter: Parameter) -> Connector:
    """Return the connector for exactly this widget class and type; anything else is refused, as in Slicer."""
    kind = type(widget).__name__
    if kind == "QCheckBox" and parameter.type is bool:
        return _of_property(widget, "checked", widget.stateChanged)
    if kind in ("QDoubleSpinBox", "ctkSliderWidget") and parameter.type is float:
        if parameter.range is None:
            raise RuntimeError("Cannot have a connection to a slider where the float type is unbounded.")
        widget.minimum, widget.maximum = parameter.range.minimum, parameter.range.maximum
        return _of_property(widget, "value", widget.valueChanged)
    if kind == "QLineEdit" and parameter.type is str:
        return _of_property(widget, "text", widget.textChanged)
    if kind == "QComboBox" and isinstance(parameter.type, type) and issubclass(parameter.type, enum.Enum):
        return _of_enum(widget, parameter.type)
    if kind == "qMRMLNodeComboBox" and parameter.node_types:
        widget.nodeTypes = [cls().GetClassName() for cls in parameter.node_types]
        return Connector(widget, widget.currentNode, widget.setCurrentNode, widget.currentNodeChanged)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{parameter.type}' to widget type '{kind}'")


def _of_property(widget: Any, name: str, signal: Any) -> Connector:
    return Connector(widget, lambda: getattr(widget, name), lambda value: setattr(widget, name, value), signal)


def _of_enum(widget: qt.QComboBox, members: Any) -> Connector:
    label = getattr(members, "label", lambda member: member.name)
    choices = list(members)
    widget.clear()
    for member in choices:
        widget.addItem(label(member))
    return Connector(
        widget,
        lambda: choices[widget.currentIndex],
        lambda value: setattr(widget, "currentIndex", choices.index(value)),
        widget.currentIndexChanged,
    )
