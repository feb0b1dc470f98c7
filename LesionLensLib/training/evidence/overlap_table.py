"""How found and true lesions of each patient overlap, in the cubes that the bootstrap draws: saved, and read again."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import UserError
from LesionLensLib.manifest import read_manifest
from LesionLensLib.metrics import Counts
from LesionLensLib.progress import Progress
from LesionLensLib.training.evaluation import score_cases

OVERLAP_FILE = "overlap.csv"
NETWORK, THRESHOLD = "network", "flair_threshold"
COLUMNS = ("split", "case", "patient", "method", "cube", "true_positive", "false_positive", "false_negative")

Overlap = dict[tuple[str, str], dict[str, Counts]]
"""Counts (cubes, 3) by split and method, and by patient."""


def collect_overlap(model: str, manifest: Path, splits: Sequence[str], progress: Progress) -> None:
    """Segment the labelled cases of `splits` as a user would and write the counts beside the model's weights."""
    card, rows = find_card(model), read_manifest(manifest)
    lines: list[tuple[object, ...]] = []
    for split in splits:
        for score in score_cases(card, rows, split, "cpu", progress)[0]:
            for method, counts in ((NETWORK, score.network), (THRESHOLD, score.baseline)):
                lines += [
                    (split, score.case, score.patient, method, cube, *map(int, three))
                    for cube, three in enumerate(counts)
                ]
    path = card.folder / OVERLAP_FILE
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([COLUMNS, *lines])
    part.replace(path)


def read_overlap(folder: Path) -> Overlap:
    """Read what `collect_overlap` wrote; raises `UserError` for a file that is missing or something else."""
    found: dict[tuple[str, str], dict[str, list[list[float]]]] = {}
    try:
        with (folder / OVERLAP_FILE).open(newline="", encoding="utf-8") as file:
            for record in csv.DictReader(file):
                patients = found.setdefault((record["split"], record["method"]), {})
                patients.setdefault(record["patient"], []).append([float(record[name]) for name in COLUMNS[5:]])
    except (OSError, KeyError, ValueError) as error:
        message = f"The saved overlap of {folder.name} cannot be read."
        raise UserError(message, "Make it again with --overlap.", repr(error)) from error
    return {key: {name: np.array(rows) for name, rows in by.items()} for key, by in found.items()}
