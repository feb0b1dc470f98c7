"""The table in the form of the paper's S2 and S3 (Jalalifar et al., 2022), as Markdown: every figure with its interval.

S2 has accuracy, sensitivity and specificity on held-out lesions with the settings of each row, S3 those and AUC and F1
on the lesions learned from, held-out ones and the test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from LesionLensLib.outcome_card import SIMULATED_NOTE
from LesionLensLib.training.local_failure.recipe import LocalFailureRecipe
from LesionLensLib.training.local_failure.scopes import TRAINING, VALIDATION
from LesionLensLib.training.outcome.parts import TEST
from LesionLensLib.training.outcome.tables import Figures

TABLES_FILE = "tables.md"
SHARES = ("accuracy", "sensitivity", "specificity")
SCOPES = {TRAINING: "learned from", VALIDATION: "held out (validation)", TEST: "test"}

_SIMULATED = (
    "Real and digital brains with simulated metastases, outcomes drawn by a stated mechanism; nothing here was "
    "measured on a patient's outcome. ",
    "heads that no network ever saw",
    "`volume` is the lesion's volume alone, `truth` the probability with which the outcome was drawn, the best that is "
    "possible. ",
)
_REAL = ("", "patients that no network ever saw", "Where there is a row `volume`, it is the lesion's volume alone. ")

Record = Mapping[str, Any]


def write_tables(recipe: LocalFailureRecipe, figures: Figures, chosen: str | None, folder: Path) -> None:
    """Write both tables of what is known so far; nothing while no row has all its folds."""
    rows = [name for name in (*recipe.row_names(), *recipe.baselines) if figures.get(name)]
    if not rows:
        return
    text = "\n".join(
        [
            _title(recipe),
            "",
            _explanation(recipe, figures[rows[0]]),
            "",
            "## In the form of table S2: held-out lesions",
            "",
            *_settings_table(recipe, [name for name in rows if name not in recipe.baselines], figures),
            "",
            "## In the form of table S3",
            "",
            *_results_table(rows, figures, chosen),
            "",
        ]
    )
    part = folder / f"{TABLES_FILE}.part"
    part.write_text(text, encoding="utf-8")
    part.replace(folder / TABLES_FILE)


def _is_simulated(recipe: LocalFailureRecipe) -> bool:
    return bool(recipe.card.get("evidence") == "simulated")


def _title(recipe: LocalFailureRecipe) -> str:
    if _is_simulated(recipe):
        return f"# Local failure of brain metastases: {SIMULATED_NOTE}"
    return f"# {recipe.card.get('title', recipe.card.get('id', recipe.network))}"


def _explanation(recipe: LocalFailureRecipe, scopes: Mapping[str, Mapping[str, Record]]) -> str:
    counts = []
    for scope, title in SCOPES.items():
        area = scopes.get(scope, {}).get("auc")
        if area:
            counts.append(f"{area['cases']} lesions of {area['patients']} patients {title}")
    origin, heads, baselines = _REAL
    if _is_simulated(recipe):
        origin, heads, baselines = _SIMULATED
    return (
        f"{origin}In brackets the 95 % interval by bootstrap over patients, shares in %, at a "
        "probability of 0.5 before calibration. Held-out lesions are judged by the one network that did not learn "
        f"from their patient; test lesions, in {heads}, by the mean logit of the networks of "
        f"all folds. {baselines}{'; '.join(counts)}."
    )


def _settings_table(recipe: LocalFailureRecipe, names: Sequence[str], figures: Figures) -> list[str]:
    lines = [
        "| row | pre-training | optimiser | learning rate | batch | epochs | schedule | accuracy | sensitivity "
        "| specificity |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        row, found = recipe.row(name), figures[name].get(VALIDATION, {})
        settings = (Path(row.checkpoint).name or "none", row.optimizer, row.learning_rate, row.batch, row.epochs)
        cells = [*map(str, settings), row.schedule, *(_share(found.get(share)) for share in SHARES)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _results_table(names: Sequence[str], figures: Figures, chosen: str | None) -> list[str]:
    lines = ["| row | lesions | accuracy | sensitivity | specificity | AUC | F1 |", "|---|---|---|---|---|---|---|"]
    for name in names:
        shown = f"**{name}** (shipped)" if name == chosen else name
        for scope, title in SCOPES.items():
            found = figures[name].get(scope, {})
            shares = [_share(found.get(figure)) for figure in (*SHARES, "f1")]
            cells = [title, *shares[:3], _plain(found.get("auc")), shares[3]]
            lines.append(f"| {shown} | {' | '.join(cells)} |")
    return lines


def _share(record: Record | None) -> str:
    """Return a share in per cent with its interval."""
    return _cell(record, 100.0, 1)


def _plain(record: Record | None) -> str:
    return _cell(record, 1.0, 2)


def _cell(record: Record | None, factor: float, digits: int) -> str:
    if record is None or record["value"] is None:
        return "not defined"
    value = f"{record['value'] * factor:.{digits}f}"
    if record["low"] is None or record["high"] is None:
        return value
    return f"{value} [{record['low'] * factor:.{digits}f}, {record['high'] * factor:.{digits}f}]"
