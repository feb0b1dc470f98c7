"""From the settings of an outcome recipe to the kind of model that it trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from LesionLensLib.errors import UserError
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.progress import Progress
from LesionLensLib.training.outcome.check_recipe import check_recipe
from LesionLensLib.training.outcome.study import Helpers, run_study


def train_outcome(
    settings: dict[str, Any],
    rows: Sequence[ManifestRow],
    folder: Path,
    device: str,
    progress: Progress,
    folds: int | None = None,
    row_names: Sequence[str] = (),
    part_names: Sequence[str] = (),
    helpers: Helpers | None = None,
) -> None:
    """Train by `run_study`; the recipe's `network` says which kind it is, `folds` takes the place of its own.

    Raises `UserError` for settings that the kind does not have, and for a card that nobody could read afterwards.
    """
    changes: dict[str, Any] = {} if folds is None else {"folds": folds}
    helpers = helpers or Helpers()
    network = settings.get("network", "chmfl")
    if network == "resnet3d":
        from LesionLensLib.training.local_failure.kind import LocalFailureKind
        from LesionLensLib.training.local_failure.recipe import LocalFailureRecipe

        with helpers.team.all_or_none():
            brain = replace(LocalFailureRecipe.from_dict(settings), **changes)
            check_recipe(LocalFailureKind(), brain)
        run_study(LocalFailureKind(), brain, rows, folder, device, progress, row_names, part_names, helpers)
        return
    from LesionLensLib.networks.chmfl_variants import VARIANTS

    if network not in VARIANTS:
        raise UserError(
            f"The recipe's network is {network!r}, which cannot be trained here.",
            f"Use resnet3d for lesions of the brain, or for PET-CT one of: {', '.join(VARIANTS)}.",
        )
    from LesionLensLib.training.sarcoma.kind import SarcomaKind
    from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe

    with helpers.team.all_or_none():
        recipe = replace(OutcomeRecipe.from_dict(settings), **changes)
        check_recipe(SarcomaKind(), recipe)
    run_study(SarcomaKind(), recipe, rows, folder, device, progress, row_names, part_names, helpers)
