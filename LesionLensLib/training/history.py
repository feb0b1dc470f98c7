"""Which recipe trained which steps: a run may be continued with another one, and its report must say so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from LesionLensLib.training.recipe import Recipe

HISTORY_FILE = "history.json"


def note_recipe(recipe: Recipe, step: int, folder: Path) -> None:
    """Write into `folder` that `recipe` trains from `step` on; what was done again after a checkpoint is dropped."""
    settings = {name: value for name, value in recipe.to_dict().items() if name != "card"}
    entries = [entry for entry in read_history(folder) if entry["from_step"] < step]
    # A setting that an earlier version did not know had what is its default now.
    before = {**Recipe().to_dict(), **entries[-1]["recipe"]} if entries else {}
    before.pop("card", None)
    if json.loads(json.dumps(before)) != json.loads(json.dumps(settings)):
        entries.append({"from_step": step, "recipe": settings})
    (folder / HISTORY_FILE).write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Return the recipes of the run in `folder`, each with the step it began at."""
    path = folder / HISTORY_FILE
    history: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return history
