"""`lesionlens evaluate`: the papers' metrics of a model or of a table of predictions, with intervals."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import UserError
from LesionLensLib.model_card import ModelCard
from LesionLensLib.outcome_card import SIMULATED_NOTE
from LesionLensLib.progress import Progress
from LesionLensLib.results import ResultFolder

METRICS_FILE = "metrics.json"
DEFAULT_MODEL, DEFAULT_SPLIT = "rsanet-ms", "test"
SHOWN = ("auc", "accuracy", "sensitivity", "specificity", "precision", "f1", "whole_dice")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `evaluate`."""
    parser.add_argument("--predictions", metavar="CSV",
                        help="a table with case, outcome (0 or 1) and probability, and patient where one has several "
                             "cases, in place of --model and --data")  # fmt: skip
    parser.add_argument("--model", metavar="M",
                        help=f"id of a model or path of a model folder (default: {DEFAULT_MODEL})")  # fmt: skip
    parser.add_argument("--data", metavar="MANIFEST.csv",
                        help="a table of cases with lesion masks, for an outcome model with labels 0 and 1; cases that "
                             "the model learned from are judged too kindly")  # fmt: skip
    parser.add_argument("--split", help=f"which rows of the manifest to judge (default: {DEFAULT_SPLIT})")
    parser.add_argument("--threshold", type=float, metavar="P",
                        help="probability from which the event is predicted (default: the model's or 0.5)")  # fmt: skip
    parser.add_argument("--bootstrap", type=int, default=1000, metavar="N", help="draws behind the 95 %% intervals")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--output", required=True, metavar="DIR", help="a new folder for metrics.json")


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Judge the model, or the predictions of a table, and print what came out."""
    if options.bootstrap < 100:
        raise UserError("Fewer than 100 bootstrap draws give no 95 % interval.", "Give --bootstrap 100 or more.")
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise UserError(f"The threshold {options.threshold:g} is not a probability.", "Give a number from 0 to 1.")
    if options.predictions is not None:
        return _judge_table(options, progress)
    if options.data is None:
        raise UserError("There is nothing to judge.", "Give --predictions CSV, or --model M with --data MANIFEST.csv.")
    card = find_card(options.model or DEFAULT_MODEL)
    if card.outcome is not None:
        return _judge_outcome_model(card, options, progress)
    if card.regression is not None:
        raise UserError(f"{card.id} puts out numbers, which evaluate does not judge.", "See the CARD.md of the model.")
    if options.threshold is not None:
        raise UserError(f"{card.id} predicts no outcome.", "Leave out --threshold.")
    return _judge_segmentation(card, options, progress)


def _judge_table(options: argparse.Namespace, progress: Progress) -> int:
    from LesionLensLib.report import hash_of
    from LesionLensLib.training.outcome.given_predictions import read_given_predictions

    given = [name for name in ("model", "data", "split") if getattr(options, name) is not None]
    if given:
        raise UserError(f"--{given[0]} does not go with --predictions.", f"Leave out --{given[0]} or --predictions.")
    path = Path(options.predictions)
    found = read_given_predictions(path)
    for count, what in ((found.without_outcome, "outcome"), (found.without_probability, "probability")):
        if count:
            progress.warn(f"Lines left out because they have no {what}: {count}.")
    about = {
        "predictions": {"file": path.name, "sha256": hash_of(path)},
        "left_out": {"without_outcome": found.without_outcome, "without_probability": found.without_probability},
    }
    with ResultFolder(Path(options.output), False, [path]) as folder:
        metrics = _write(found.predictions, about, 0.5, options, folder.path, progress)
    return _show(metrics, options, progress)


def _judge_outcome_model(card: ModelCard, options: argparse.Namespace, progress: Progress) -> int:
    from LesionLensLib.manifest import read_manifest
    from LesionLensLib.training.outcome.ask_model import ask_model
    from LesionLensLib.training.outcome.predictions import PREDICTIONS_FILE, write_predictions

    manifest, split = Path(options.data), options.split or DEFAULT_SPLIT
    rows = read_manifest(manifest)
    about: dict[str, Any] = {"note": SIMULATED_NOTE} if card.evidence == "simulated" else {}
    about |= {"model": _described(card), "split": split}
    with ResultFolder(Path(options.output), False, [manifest, card.folder]) as folder:
        said = ask_model(card, rows, split, options.device, progress)
        write_predictions(said, folder.path / PREDICTIONS_FILE)
        metrics = _write(said, about, card.threshold, options, folder.path, progress)
    return _show(metrics, options, progress)


def _write(
    said: Sequence[Any], about: dict[str, Any], threshold: float, options: argparse.Namespace, folder: Path,
    progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    from LesionLensLib.training.outcome.evaluation import judge_predictions, write_roc

    chosen = threshold if options.threshold is None else options.threshold
    metrics = {**about, **judge_predictions(said, chosen, options.bootstrap)}
    if not write_roc(said, about.get("note", ""), folder):
        progress.warn("All cases have the same outcome, so there is no ROC curve and no AUC.")
    _write_metrics(metrics, folder)
    return metrics


def _show(metrics: dict[str, Any], options: argparse.Namespace, progress: Progress) -> int:
    if options.progress == "json":
        progress.result(metrics)
        return 0
    if "note" in metrics:
        print(metrics["note"])
    print(f"{metrics['patients']} patients, {metrics['cases']} cases, {metrics['events']} with the event")
    for name in SHOWN:
        figure = metrics["figures"].get(name)
        if figure is not None:
            span = "" if figure["low"] is None else f" (95 % {figure['low']} to {figure['high']})"
            print(f"{name:<12} {'not defined' if figure['value'] is None else figure['value']}{span}")
    print(Path(options.output) / METRICS_FILE)
    return 0


def _judge_segmentation(card: ModelCard, options: argparse.Namespace, progress: Progress) -> int:
    from LesionLensLib.manifest import read_manifest
    from LesionLensLib.training.evaluation import evaluate

    manifest = Path(options.data)
    rows = read_manifest(manifest)
    with ResultFolder(Path(options.output), False, [manifest, card.folder]) as folder:
        metrics = evaluate(card, rows, options.split or DEFAULT_SPLIT, options.bootstrap, options.device, progress)
        _write_metrics(metrics, folder.path)
    if options.progress == "json":
        progress.result(metrics)
        return 0
    for case in metrics["cases"]:
        print(f"{case['case']:<24} Dice {case['dice']:.3f}   FLAIR threshold {case['flair_threshold_dice']}")
    pooled = metrics["network"]["voxel_dice"]
    print(f"voxel Dice {pooled['value']} (95 % {pooled['low']} to {pooled['high']}, {pooled['patients']} patients)")
    print(Path(options.output) / METRICS_FILE)
    return 0


def _described(card: ModelCard) -> dict[str, str]:
    return {"id": card.id, "version": card.version, "sha256": card.weights.sha256, "evidence": card.evidence}


def _write_metrics(metrics: dict[str, Any], folder: Path) -> None:
    text = json.dumps(metrics, indent=2, allow_nan=False) + "\n"
    (folder / METRICS_FILE).write_text(text, encoding="utf-8")
