"""`lesionlens train`: from a recipe and a table of cases to a model folder, resumable at any moment."""

from __future__ import annotations

import argparse
from pathlib import Path

from LesionLensLib.errors import UserError
from LesionLensLib.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `train`."""
    parser.add_argument("recipe", metavar="RECIPE.yaml", help="the settings of the training")
    parser.add_argument("--data", required=True, metavar="MANIFEST.csv", help="a table of cases")
    parser.add_argument("--output", required=True, metavar="DIR", help="the model folder to write")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in DIR")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    outcome = parser.add_argument_group("outcome recipes (task: outcome)")
    outcome.add_argument("--folds", type=int, metavar="N", help="folds of the cross-validation, 0 for none")
    outcome.add_argument("--row", action="append", metavar="NAME", help="train this row of the recipe only (repeat)")
    outcome.add_argument(
        "--part", action="append", metavar="NAME", help="train this part only: fold-K, public or final (repeat)"
    )


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Train, and leave weights, card, report, metrics and the loss curve in the output folder."""
    from LesionLensLib.manifest import read_manifest
    from LesionLensLib.training.settings import read_settings

    folder = Path(options.output)
    if folder.exists() and any(folder.iterdir()) and not options.resume:
        raise UserError(f"The folder {folder.name} is not empty.", "Give a new folder, or add --resume to go on.")
    settings, rows = read_settings(Path(options.recipe)), read_manifest(Path(options.data))
    task = settings.get("task", "segmentation")
    if task != "outcome" and (options.folds is not None or options.row or options.part):
        raise UserError("Only an outcome recipe has folds, rows and parts.", "Leave out --folds, --row and --part.")
    if task == "outcome":
        from LesionLensLib.training.outcome_kinds import train_outcome

        train_outcome(
            settings, rows, folder, options.device, progress, options.folds, options.row or (), options.part or ()
        )
    elif task == "regression":
        from LesionLensLib.training.lesion_load.recipe import LoadRecipe
        from LesionLensLib.training.lesion_load.run import run_load_training

        run_load_training(LoadRecipe.from_dict(settings), rows, folder, options.device, progress)
    else:
        from LesionLensLib.training.recipe import Recipe
        from LesionLensLib.training.run import run_training

        run_training(Recipe.from_dict(settings), rows, folder, options.device, progress)
    print(folder)
    return 0
