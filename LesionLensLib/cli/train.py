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


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Train, and leave weights, card, report, metrics and the loss curve in the output folder."""
    from LesionLensLib.manifest import read_manifest
    from LesionLensLib.training.recipe import Recipe
    from LesionLensLib.training.run import run_training

    folder = Path(options.output)
    if folder.exists() and any(folder.iterdir()) and not options.resume:
        raise UserError(f"The folder {folder.name} is not empty.", "Give a new folder, or add --resume to go on.")
    recipe, rows = Recipe.read(Path(options.recipe)), read_manifest(Path(options.data))
    run_training(recipe, rows, folder, options.device, progress)
    print(folder)
    return 0
