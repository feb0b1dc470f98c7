"""`lesionlens train`: from a recipe and a table of cases to a model folder, resumable at any moment."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from LesionLensLib.errors import LesionLensError, UserError
from LesionLensLib.progress import Progress

if TYPE_CHECKING:
    from LesionLensLib.training.team import Team


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `train`."""
    parser.add_argument("recipe", metavar="RECIPE.yaml", help="the settings of the training")
    parser.add_argument("--data", required=True, metavar="MANIFEST.csv", help="a table of cases")
    parser.add_argument("--output", required=True, metavar="DIR", help="the model folder to write")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in DIR")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--no-cache", action="store_true",
                        help="keep no preprocessed cases in DIR/cache, where a resumed run finds them")  # fmt: skip
    outcome = parser.add_argument_group("outcome recipes (task: outcome)")
    outcome.add_argument("--folds", type=int, metavar="N", help="folds of the cross-validation, 0 for none")
    outcome.add_argument("--row", action="append", metavar="NAME", help="train this row of the recipe only (repeat)")
    outcome.add_argument(
        "--part", action="append", metavar="NAME", help="train this part only: fold-K, public or final (repeat)"
    )
    outcome.add_argument("--share", choices=("parts", "batches"), default="parts",
                         help="what several processes of torchrun share: the folds of all rows, or each batch "
                              "(default: parts)")  # fmt: skip


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Train, alone or as a process of `torchrun`, and leave weights, card, report, metrics and curves in the folder."""
    from LesionLensLib.training.join import join_team

    with join_team(options.device) as (team, device):
        try:
            _train(options, team.voice(progress), team, device)
        except LesionLensError as error:
            if team.is_first:
                raise
            told = f"Process {team.rank} of {team.size}: {error.message}"
            raise type(error)(told, error.remedy, error.detail) from error
        if team.is_first:
            print(Path(options.output))
    return 0


def _train(options: argparse.Namespace, progress: Progress, team: Team, device: str) -> None:
    from LesionLensLib.manifest import read_manifest
    from LesionLensLib.training.case_cache import CACHE_FOLDER, CaseCache
    from LesionLensLib.training.gear import check_batch
    from LesionLensLib.training.settings import read_settings

    folder = Path(options.output)
    with team.all_or_none():
        if folder.exists() and any(folder.iterdir()) and not options.resume:
            raise UserError(f"The folder {folder.name} is not empty.", "Give a new folder, or add --resume to go on.")
        settings, rows = read_settings(Path(options.recipe)), read_manifest(Path(options.data))
        task = settings.get("task", "segmentation")
        if task != "outcome" and (options.folds is not None or options.row or options.part):
            raise UserError("Only an outcome recipe has folds, rows and parts.", "Leave out --folds, --row and --part.")
    cache = CaseCache(None if options.no_cache else folder / CACHE_FOLDER)
    if task == "outcome":
        from LesionLensLib.training.outcome.study import Helpers
        from LesionLensLib.training.outcome_kinds import train_outcome

        helpers = Helpers(team, options.share == "batches", cache)
        chosen = (options.row or (), options.part or ())
        train_outcome(settings, rows, folder, device, progress, options.folds, *chosen, helpers)
    elif task == "regression":
        from LesionLensLib.training.lesion_load.recipe import LoadRecipe
        from LesionLensLib.training.lesion_load.run import run_load_training

        with team.all_or_none():
            load = LoadRecipe.from_dict(settings)
            check_batch(load.batch, load.accumulate, team)
        run_load_training(load, rows, folder, device, progress, team, cache)
    else:
        from LesionLensLib.training.recipe import Recipe
        from LesionLensLib.training.run import run_training

        with team.all_or_none():
            recipe = Recipe.from_dict(settings)
            for size in recipe.batch_sizes:
                check_batch(size, recipe.accumulate, team)
        run_training(recipe, rows, folder, device, progress, team, cache)
