"""`lesionlens evaluate`: the papers' metrics of a model on labelled cases, with intervals and a simple baseline."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import UserError
from LesionLensLib.progress import Progress
from LesionLensLib.results import ResultFolder

METRICS_FILE = "metrics.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `evaluate`."""
    parser.add_argument("--model", default="rsanet-ms", metavar="M", help="id of a model or path of a model folder")
    parser.add_argument("--data", required=True, metavar="MANIFEST.csv", help="a table of cases with lesion labels")
    parser.add_argument("--split", default="test", help="which rows of the table to judge (default: test)")
    parser.add_argument("--bootstrap", type=int, default=1000, metavar="N", help="draws behind the 95 %% intervals")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--output", required=True, metavar="DIR", help="a new folder for metrics.json")


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Judge the model and print the table of cases."""
    from LesionLensLib.manifest import read_manifest
    from LesionLensLib.training.evaluation import evaluate

    if options.bootstrap < 100:
        raise UserError("Fewer than 100 bootstrap draws give no 95 % interval.", "Give --bootstrap 100 or more.")
    card, manifest = find_card(options.model), Path(options.data)
    rows = read_manifest(manifest)
    with ResultFolder(Path(options.output), False, [manifest, card.folder]) as folder:
        metrics = evaluate(card, rows, options.split, options.bootstrap, options.device, progress)
        (folder.path / METRICS_FILE).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    if options.progress == "json":
        progress.result(metrics)
        return 0
    for case in metrics["cases"]:
        print(f"{case['case']:<24} Dice {case['dice']:.3f}   FLAIR threshold {case['flair_threshold_dice']}")
    pooled = metrics["network"]["voxel_dice"]
    print(f"voxel Dice {pooled['value']} (95 % {pooled['low']} to {pooled['high']}, {pooled['patients']} patients)")
    print(Path(options.output) / METRICS_FILE)
    return 0
