"""The chapter on SMOCAM: what its poster reports, and the network with which it is shown here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from LesionLensLib.training.evidence.collect_maps import SIDES, read_maps
from LesionLensLib.training.evidence.markdown import figure, table
from LesionLensLib.training.evidence.saved import read_report
from LesionLensLib.training.lesion_load.evaluation import Judged, load_figures, read_loads, with_difference

MODEL = "vgg-lesion-load"
HELD_OUT, REAL = "held-out", "real-label"


def load_chapter(models: Path) -> list[str]:
    """Return the lines of the chapter."""
    folder = models / MODEL
    report, said, maps = read_report(folder), read_loads(folder / "predictions.csv"), read_maps(folder)
    figures = load_figures(said[HELD_OUT], int(report["recipe"]["bootstrap"]))
    return [
        "## 2. What a regression network looks at: SMOCAM",
        "",
        "Konate et al., ISBI 2021 (the poster; the four-page paper could not be read); model "
        f"[{MODEL}](../Resources/Models/{MODEL}/CARD.md).",
        "",
        "The poster has no table: it tells how long a mask takes and shows one patient. **Comparable:** the method, "
        "as published, on a network of the same kind. **Not comparable:** the measured quantity (165 volumes of "
        "brain regions there, the lesion load in ml here) and how well the network measures: ours learned from "
        "*simulated* lesions in two real brains.",
        "",
        *_rows(said, maps),
        "Intervals of the shares of a mask are not defined: it is one patient.",
        "",
        "### How well our network measures (simulated lesions in the brains of two patients it never saw)",
        "",
        *_errors(figures, report),
        "The poster gives no error of its network. Ours follows the loads in part, and **on the one really labelled "
        "patient it fails** (last two rows of the first table): the load lies above all of its training.",
        "",
    ]


def _rows(said: dict[str, Judged], maps: dict[str, Any]) -> list[str]:
    header = ("what", "paper", "ours", "patients", "what can be compared")
    seconds = max(maps[side]["seconds"] for side in SIDES)
    shares = ", ".join(f"{100 * maps[side]['share_of_map'][side]:.0f} % of the {side} answer's" for side in SIDES)
    norms = " and ".join(f"{maps[side]['norm']:.2f}" for side in SIDES)
    errors = " and ".join(f"{maps[side]['error_over_sigma']:.2f}" for side in SIDES)
    true, told = _largest_difference(said[HELD_OUT])
    real_true, real_told = (with_difference(part)[0, 3] for part in (said[REAL].truth, said[REAL].said))
    count = f"1 ({maps['case']}, real lesions, never learned from)"
    return table(
        header,
        [
            ("one mask", "about 40 s", f"{seconds:.1f} s on two CPU cores, {maps['left']['iterations']} steps", count,
             "not the time: other network, size and machine, which the poster does not name"),
            ("norm of the mask (budget 1)", "1 asked for", norms, count, "the loss"),
            ("answer moved by the mask, in deviations of the output", "not given", errors, count,
             "the paper wants it small; here it is not: the mask tells where, not how much"),
            ("mask on the answer's own side of the brain", "one picture: one hippocampus for both sides", shares,
             count, "the question; here each answer has a side of its own"),
            ("a large difference of left and right: true", "1.12 cm3", f"{true:.1f} ml, **simulated**",
             "1 example of each", "the question, not the numbers"),
            ("the same as the network tells it", "0.10 cm3", f"{told:.1f} ml, **simulated**", "1 example of each",
             f"paper: 9 % of it; ours: {100 * told / true:.0f} %, in the held-out example where it is largest"),
            ("difference in a real patient: true", "1.12 cm3 (the same patient)", f"{real_true:.1f} ml", count,
             "the question, not the numbers"),
            ("the same as the network tells it", "0.10 cm3", f"{real_told:+.1f} ml", count,
             "neither network follows a large difference; ours turns it round"),
        ],
    )  # fmt: skip


def _largest_difference(judged: Judged) -> tuple[float, float]:
    """Return the true and the told difference, left less right in ml, of the case where the true one is largest."""
    true, told = with_difference(judged.truth)[:, 3], with_difference(judged.said)[:, 3]
    largest = int(np.argmax(np.abs(true)))
    return float(true[largest]), float(told[largest])


def _errors(figures: dict[str, dict[str, Any]], report: dict[str, Any]) -> list[str]:
    baseline = report["held_out_planted"]["bright_flair_voxels"]
    header = ("output", "patients (**simulated** examples)", "mean absolute error, ml", "R2",
              "bright FLAIR voxels, no network: error, ml", "R2")  # fmt: skip
    rows = []
    for name, found in figures.items():
        count = f"{found['mae_ml']['patients']} ({found['mae_ml']['cases']})"
        simple = (figure(baseline[name]["mae_ml"]), figure(baseline[name]["r2"]))
        rows.append((name.replace("_", " "), count, figure(found["mae_ml"]), figure(found["r2"]), *simple))
    return table(header, rows)
