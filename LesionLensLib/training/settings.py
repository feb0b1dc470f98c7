"""Read settings from YAML into frozen dataclasses, refusing names that do not exist and values of another kind."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from LesionLensLib.errors import UserError

_KINDS: dict[Any, tuple[tuple[type[Any], ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "text"),
    dict: ((dict,), "a mapping of `name: value`"),
}


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings of a YAML recipe; raises `UserError` when it is missing or not a mapping of settings."""
    import yaml

    try:
        record = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        message = f"The recipe {path.name} cannot be read."
        raise UserError(message, "Give a YAML file of settings.", str(error)) from error
    if not isinstance(record, dict):
        raise UserError(f"The recipe {path.name} holds no settings.", "Give a YAML file of `name: value` lines.")
    return record


def checked_settings(record: object, kind: type[Any], where: str) -> dict[str, Any]:
    """Return `record` as arguments of the dataclass `kind`, lists as tuples.

    Raises `UserError`, in which `where` names the place, for a setting that does not exist or is of another kind.
    """
    if not isinstance(record, dict):
        raise UserError(f"The {where} holds no settings.", "Write `name: value` lines below it.")
    known = {f.name for f in fields(kind)}
    unknown = sorted(str(name) for name in set(record) - known)
    if unknown:
        raise UserError(f"The {where} has no setting called {unknown[0]}.", f"Use one of: {', '.join(sorted(known))}.")
    hints = get_type_hints(kind)
    for name, value in record.items():
        wrong = _wrong(value, hints[name])
        if wrong:
            raise UserError(f"The {where} has {value!r} as {name}, which is not {wrong}.", _remedy(value, name))
    return {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}


def _wrong(value: object, hint: Any) -> str:
    """Return in words what `value` should be, or nothing where it is that, or of a kind that is checked elsewhere."""
    if get_origin(hint) is tuple:
        return _wrong_list(value, get_args(hint))
    types, words = _KINDS.get(get_origin(hint) or hint, ((), ""))
    # True and False are whole numbers to Python.
    fits = not types or (isinstance(value, types) and (bool in types or not isinstance(value, bool)))
    return "" if fits else words


def _wrong_list(value: object, hints: tuple[Any, ...]) -> str:
    several = hints[-1] is Ellipsis
    words = _KINDS.get(hints[0], ((), "a value"))[1]
    told = f"a list, each of it {words}" if several else f"a list of {len(hints)}, each of it {words}"
    if not isinstance(value, list | tuple) or not (several or len(value) == len(hints)):
        return told
    return told if any(_wrong(item, hints[0]) for item in value) else ""


def _remedy(value: object, name: str) -> str:
    if isinstance(value, str) and value.replace(".", "").lower().startswith(tuple("0123456789")):
        try:
            return f"Write {float(value):.10g}: without a point before its e, YAML takes a number for text."
        except ValueError:
            pass
    return f"Correct {name}."
