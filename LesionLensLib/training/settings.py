"""Read settings from YAML into frozen dataclasses, refusing names that do not exist."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from LesionLensLib.errors import UserError


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

    Raises `UserError`, in which `where` names the place, for a setting that does not exist.
    """
    if not isinstance(record, dict):
        raise UserError(f"The {where} holds no settings.", "Write `name: value` lines below it.")
    known = {f.name for f in fields(kind)}
    unknown = sorted(str(name) for name in set(record) - known)
    if unknown:
        raise UserError(f"The {where} has no setting called {unknown[0]}.", f"Use one of: {', '.join(sorted(known))}.")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}
