"""`lesionlens models`: what is installed, what it is for, and whether its weights are those of the card."""

from __future__ import annotations

import argparse
import json
from typing import Any

from LesionLensLib.catalogue import list_cards, verify_weights
from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.model_card import ModelCard
from LesionLensLib.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `models`."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--verify", action="store_true", help="fail (exit code 3) if any weights file differs")


def run(options: argparse.Namespace, progress: Progress) -> int:
    """List the models; with `--verify` raises `EnvironmentFault` after the list where a weights file differs."""
    entries = [describe(card) for card in list_cards()]
    if options.json or options.progress == "json":
        print(json.dumps(entries, indent=None if options.progress == "json" else 2))
    else:
        print("\n\n".join(_paragraph(entry) for entry in entries) or "No models are installed.")
    wrong = [entry["id"] for entry in entries if not entry["matches"]]
    if options.verify and wrong:
        raise EnvironmentFault(
            f"The weights of {', '.join(wrong)} are missing or differ from the card.", "Get the model again."
        )
    return 0


def describe(card: ModelCard) -> dict[str, Any]:
    """Return what the public contract promises about a model."""
    return {
        "id": card.id,
        "version": card.version,
        "title": card.title,
        "task": card.task,
        "channel_def": list(card.roles),
        "reference_role": card.reference_role,
        "evidence": card.evidence,
        "licence": card.licence,
        "citation": card.citation,
        "bytes": card.weights.bytes,
        "sha256": card.weights.sha256,
        "matches": verify_weights(card),
    }


def _paragraph(entry: dict[str, Any]) -> str:
    rows = {
        "task": entry["task"],
        "channels": ", ".join(entry["channel_def"]) + f" (results on the grid of {entry['reference_role']})",
        "trained on": entry["evidence"],
        "licence": entry["licence"],
        "citation": entry["citation"],
        "weights": f"{entry['bytes'] / 1e6:.1f} MB, sha256 {entry['sha256']}",
        "on disk": "as the card says" if entry["matches"] else "MISSING OR DIFFERENT",
    }
    first = f"{entry['id']} {entry['version']}: {entry['title']}"
    return "\n".join([first, *(f"  {name:<11} {text}" for name, text in rows.items())])
