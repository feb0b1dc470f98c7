"""The part of a recipe that every outcome study has: folds, rows, members, what is shipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.bootstrap import REPEATS
from LesionLensLib.training.outcome_folds import FOLDS
from LesionLensLib.training.settings import checked_settings, read_settings


@dataclass(frozen=True, kw_only=True)
class StudyRecipe:
    """One network, or a table of networks trained on the same folds.

    `rows` are named changes of the settings; the one called `shipped` becomes the model, with the networks of the folds
    where `ship_folds`. `precision` is one of `PRECISIONS`; `accumulate` passes share the `batch` of a step, so that it
    needs less memory. `members` networks of different seeds are averaged. `baselines` are rows without a network;
    `bootstrap` is how many draws stand behind an interval. `card` is what the model card says beyond what the training
    knows. A class names in `NESTED` its settings that are objects, a row changes only what it names of them.
    """

    NESTED: ClassVar[Mapping[str, type[Any]]] = {}

    precision: str = "fp32"
    batch: int = 1
    accumulate: int = 1
    folds: int = FOLDS
    members: int = 1
    seed: int = 0
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    shipped: str = ""
    ship_folds: bool = True
    baselines: tuple[str, ...] = ()
    bootstrap: int = REPEATS
    card: dict[str, Any] = field(default_factory=dict)

    def check_names(self, **choices: tuple[str, tuple[str, ...]]) -> None:
        """Raise `UserError` for a setting (value, allowed values) that is none of its allowed values."""
        for name, (value, known) in {**choices, "shipped": (self.shipped, ("", *self.rows))}.items():
            if value not in known:
                raise UserError(f"The recipe's {name} is {value!r}.", f"Use one of: {', '.join(filter(None, known))}.")

    @property
    def only_row(self) -> str:
        """What the row is called where the recipe names none."""
        raise NotImplementedError

    def row_names(self) -> tuple[str, ...]:
        """Return the names of the rows that are networks, the shipped one first."""
        names = tuple(self.rows) or (self.only_row,)
        first = self.shipped or names[0]
        return (first, *(name for name in names if name != first))

    def row(self, name: str) -> Self:
        """Return the recipe of one row alone."""
        changes = dict(self.rows.get(name, {}))
        for nested in (*self.NESTED, "options"):
            if nested in changes:
                changes[nested] = {**self.to_dict()[nested], **changes[nested]}
        values = self._values(changes, f"row {name} of the recipe")
        return replace(self, **{**values, "rows": {}, "shipped": "", "baselines": ()})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for YAML and JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Self:
        """Rebuild a recipe; raises `UserError` for a setting that does not exist, in a row too."""
        recipe = cls(**cls._values(record, "recipe"))
        for name in recipe.rows:
            recipe.row(name)
        return recipe

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a YAML recipe; raises `UserError` when it is missing or not a mapping of settings."""
        return cls.from_dict(read_settings(path))

    @classmethod
    def _values(cls, record: dict[str, Any], where: str) -> dict[str, Any]:
        values = checked_settings(record, cls, where)
        for name, kind in cls.NESTED.items():
            if name in values and not isinstance(values[name], kind):
                values[name] = kind(**checked_settings(values[name], kind, f"{name} of the {where}"))
        return values
