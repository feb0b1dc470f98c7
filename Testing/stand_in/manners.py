"""Gives PySide6 the manners of PythonQt: properties as attributes, signals by signature, no new attributes.

`label.text = "a"`, `button.connect("clicked(bool)", f)`, `widget.name`; an attribute that the Qt class does not have
raises `AttributeError`, a signal that does not exist raises `ValueError`.
"""

from __future__ import annotations

import ctypes
import inspect
import re
import types
from collections.abc import Callable, Iterator
from typing import Any

from PySide6 import QtCore

# Q_PROPERTYs whose name is also a function that callers need.
KEPT_FUNCTIONS = {"singleShot"}


def qt_classes(*modules: types.ModuleType) -> list[type]:
    """Return the QObject classes of the modules, base classes first."""
    found: dict[type, None] = {}
    for module in modules:
        for value in (getattr(module, name) for name in dir(module)):
            if isinstance(value, type) and issubclass(value, QtCore.QObject):
                found[value] = None
    return sorted(found, key=lambda cls: len(cls.__mro__))


def adopt(*modules: types.ModuleType) -> None:
    """Change the classes of these PySide6 modules for good; a process does this once."""
    classes = qt_classes(*modules)
    for cls in classes:
        for name, prop in _properties(cls):
            setattr(cls, name, prop)
    q_object: Any = QtCore.QObject
    q_object.name = property(lambda self: self.objectName, lambda self, value: self.setObjectName(value))
    q_object.className = lambda self: self.metaObject().className()
    q_object.delete = lambda self: self.deleteLater()
    _replace_connect(q_object)
    _refuse_new_attributes(classes)


def _properties(cls: Any) -> Iterator[tuple[str, property]]:
    meta = cls.staticMetaObject
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        meta_property = meta.property(index)
        name = meta_property.name()
        if name not in KEPT_FUNCTIONS:
            yield name, _property(cls, name, meta_property.isWritable())


def _property(cls: Any, name: str, writable: bool) -> property:
    capital = name[0].upper() + name[1:]
    getters = (getattr(cls, candidate, None) for candidate in (name, f"is{capital}", f"has{capital}"))
    getter = next((g for g in getters if callable(g) and not isinstance(g, QtCore.Signal)), None)
    setter = getattr(cls, f"set{capital}", None)

    def read(self: Any) -> Any:
        return getter(self) if getter else QtCore.QObject.property(self, name)

    def write(self: Any, value: Any) -> None:
        if setter:
            setter(self, value)
        else:
            QtCore.QObject.setProperty(self, name, value)

    return property(read, write if writable else None)


def _replace_connect(q_object: Any) -> None:
    """Shiboken looks `connect` up before class attributes, so only `__getattribute__` can give another one."""
    plain = q_object.__getattribute__
    ours = {"connect": connect, "disconnect": disconnect}

    def lookup(self: Any, name: str) -> Any:
        return types.MethodType(ours[name], self) if name in ours else plain(self, name)

    q_object.__getattribute__ = lookup


def _refuse_new_attributes(classes: list[Any]) -> None:
    """Every Qt class has a C function of its own for setting attributes, so each is replaced."""
    plain = ctypes.pythonapi.PyObject_GenericSetAttr
    plain.argtypes, plain.restype = [ctypes.py_object] * 3, ctypes.c_int

    def store(self: Any, name: str, value: Any) -> None:
        known = inspect.getattr_static(type(self), name, None)
        if isinstance(known, QtCore.Property):
            known.fset(self, value)  # a plain set would only hide the property behind an entry of the instance
            return
        is_widget = type(self).__module__.startswith("PySide6.") or hasattr(type(self), "SIGNALS")
        if is_widget and known is None and not name.startswith("_"):
            raise AttributeError(
                f"Attribute '{name}' does not exist on {type(self).__name__} and creating of new attributes on C++ "
                "objects is not allowed"
            )
        plain(self, name, value)

    for cls in classes:
        cls.__setattr__ = store


def connect(self: Any, signature: str, slot: Callable[..., Any], *_: Any) -> bool:
    """Connect a signal given as `name(types)`; a Python function gets as many arguments as it takes."""
    name = _checked_signal(self, signature)
    types_text = signature[signature.find("(") + 1 : signature.rfind(")")]
    count = len(types_text.split(",")) if types_text.strip() else 0
    wrapper = _fixed_arity(slot, count, min(count, _positional_count(slot, count)))
    self.__dict__.setdefault("_connections", {})[name, slot] = wrapper
    getattr(self, name).connect(wrapper)
    return True


def disconnect(self: Any, signature: str, slot: Callable[..., Any]) -> bool:
    """Undo `connect`."""
    name = _checked_signal(self, signature)
    getattr(self, name).disconnect(self.__dict__["_connections"].pop((name, slot)))
    return True


def _checked_signal(self: Any, signature: str) -> str:
    wanted = re.sub(r"\bconst\b|[\s&]", "", signature)
    known = getattr(type(self), "SIGNALS", None)
    if known is None:
        meta = self.metaObject()
        known = {bytes(meta.method(i).methodSignature().data()).decode() for i in range(meta.methodCount())}
    if wanted not in known:
        raise ValueError(f"{type(self).__name__} has no signal {signature}")
    return wanted.split("(")[0]


def _positional_count(slot: Callable[..., Any], count: int) -> int:
    parameters = inspect.signature(slot).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return count
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def _fixed_arity(slot: Callable[..., Any], count: int, taken: int) -> Callable[..., Any]:
    """PySide6 counts a slot's arguments too: with `*args` it would always pass the longest overload."""
    return (
        lambda: slot(),
        lambda a: slot(*(a,)[:taken]),
        lambda a, b: slot(*(a, b)[:taken]),
        lambda a, b, c: slot(*(a, b, c)[:taken]),
    )[count]
