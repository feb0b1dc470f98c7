"""CARD.md of a trained outcome model: what it learned from, how good it is and where it may fail, from the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from LesionLensLib.card_essentials import CARD_PAGE
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.outcome_card import SIMULATED_NOTE
from LesionLensLib.training.outcome.parts import TEST, Part

MARK = "<!-- Written by lesionlens train, and written anew by it as long as this line stands here. -->"
RESEARCH_ONLY = "**For research use only. Not a medical device; not for diagnosis or treatment decisions.**"
_SHOWN = {"auc": "AUC", "accuracy": "accuracy", "sensitivity": "sensitivity", "specificity": "specificity"}
# What the networks learned from says nothing about how good they are.
_NOT_SHOWN = "training"


def write_card_page(
    report: Mapping[str, Any], rows: Sequence[ManifestRow], parts: Sequence[Part], yardstick: str, folder: Path
) -> None:
    """Write the page from the training report; one that a person has made their own, without `MARK`, stays.

    `rows` are all labelled cases, the last of `parts` the final training, `yardstick` the row that the chosen one is
    compared with.
    """
    path = folder / CARD_PAGE
    if path.exists() and not path.read_text(encoding="utf-8").startswith(MARK):
        return
    card = report["recipe"]["card"]
    simulated = f"**{SIMULATED_NOTE.capitalize()}.** " if card.get("evidence") == "simulated" else ""
    learned = [row for row in rows if row.case in set(parts[-1].train)]
    text = [
        MARK,
        f"# {card.get('title', report['chosen'])}",
        f"{simulated}{RESEARCH_ONLY} {card.get('description', '')}".strip(),
        "## What it learned from",
        _learned_from(card, learned, rows, report["folds"]),
        "## How good it is",
        *_how_good(report, yardstick),
        "## Where it may fail",
        _limits(card, learned, [row for row in rows if row.split == TEST]),
    ]
    path.write_text("\n\n".join(text) + "\n", encoding="utf-8")


def _learned_from(
    card: Mapping[str, Any],
    learned: Sequence[ManifestRow],
    rows: Sequence[ManifestRow],
    folds: Mapping[str, Any] | None,
) -> str:
    source = f"{card['data_source'].rstrip('.')}. " if card.get("data_source") else ""
    kind = "outcomes made up by a program" if card.get("evidence") == "simulated" else "outcomes that the patients had"
    dealt = f" Its {len(folds['folds'])} folds were dealt by patient, never by case." if folds else ""
    tested = [row for row in rows if row.split == TEST]
    kept = f" Kept for the test: {_counted(tested)}." if tested else ""
    event = card.get("outcome", {}).get("event", "outcome 1")
    return f"{source}{_counted(learned)}; {kind}, the event is {event}.{dealt}{kept}"


def _counted(rows: Sequence[ManifestRow]) -> str:
    events = sum(row.label == "1" for row in rows)
    return f"{len(rows)} cases of {len({row.patient for row in rows})} patients, {events} of the cases with the event"


def _how_good(report: Mapping[str, Any], yardstick: str) -> list[str]:
    chosen, figures = report["chosen"], report["figures"]
    lines = [f"| | cases (patients) | {' | '.join(f'{name} (95 %)' for name in _SHOWN.values())} |"]
    lines.append("|---" * (len(_SHOWN) + 2) + "|")
    for row in dict.fromkeys((chosen, yardstick)):
        for scope, found in figures.get(row, {}).items():
            if scope != _NOT_SHOWN:
                area = found["auc"]
                cells = [f"{row}, {scope}", f"{area['cases']} ({area['patients']})", *(_cell(found[f]) for f in _SHOWN)]
                lines.append(f"| {' | '.join(cells)} |")
    if len(lines) == 2:
        return ["There were no folds and no test: nothing is known about how good it is."]
    return ["\n".join(lines), *_compared(figures[chosen], yardstick), _calibrated(report["calibration"])]


def _compared(scopes: Mapping[str, Any], yardstick: str) -> list[str]:
    said = []
    for scope, found in scopes.items():
        difference = found.get(f"auc_minus_{yardstick}")
        if scope == _NOT_SHOWN or difference is None or difference["value"] is None:
            continue
        better = difference["low"] is not None and difference["low"] > 0
        verdict = "better than" if better else "**not shown to be better than**"
        said.append(f"On {scope} it is {verdict} {yardstick} alone: AUC difference {_cell(difference)}.")
    return said


def _calibrated(calibration: Mapping[str, Any]) -> str:
    if not calibration:
        return "**Its probabilities are not calibrated**: that takes three folds."
    before, after = (calibration[name]["expected_calibration_error"] for name in ("uncalibrated", "calibrated"))
    return (
        f"Calibration (method {calibration['method']}) was fitted to what the networks of the folds said of patients "
        f"they had not learned from. Expected calibration error {_cell(before)} before it, {_cell(after)} after it, "
        "each on folds that the calibration did not see either."
    )


def _limits(card: Mapping[str, Any], learned: Sequence[ManifestRow], tested: Sequence[ManifestRow]) -> str:
    lines = ["On scanners, protocols, treatments and hospitals other than those it learned from: none has been tried."]
    patients = {label: len({row.patient for row in learned if row.label == label}) for label in ("0", "1")}
    if min(patients.values()) < 50:
        lines.append(f"It learned from {patients['1']} patients with the event and {patients['0']} without: few.")
    if not tested:
        lines.append("There was no test apart from the folds, on which its settings may have been chosen.")
    if card.get("evidence") == "simulated":
        lines.append("On every real patient, as far as is known: the outcomes are made up.")
    return "\n".join(f"- {line}" for line in lines)


def _cell(record: Mapping[str, Any]) -> str:
    if record["value"] is None:
        return "not defined"
    span = "" if record["low"] is None or record["high"] is None else f" ({record['low']:.2f} to {record['high']:.2f})"
    return f"{record['value']:.2f}{span}"
