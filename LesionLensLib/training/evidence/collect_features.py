"""Ask the shipped networks of an outcome model for the features of its cohort, and note who had seen whom."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import InternalFault
from LesionLensLib.inference.outcome_network import OutcomeNetworks, load_outcome_networks
from LesionLensLib.inference.outcome_pass import feature_vectors
from LesionLensLib.manifest import ManifestRow, read_manifest
from LesionLensLib.model_card import ModelCard
from LesionLensLib.progress import Progress
from LesionLensLib.training.evidence.feature_table import FINAL, FeatureRow, FeatureTable, write_features
from LesionLensLib.training.outcome.predictions import PREDICTIONS_FILE, read_predictions

Floats = NDArray[np.float64]
View = Callable[[ManifestRow], Tensor]


def collect_features(model: str, manifest: Path, progress: Progress) -> FeatureTable:
    """Compute the features of every labelled case of `manifest` and write them beside the model's weights.

    The final network sees every case. A case that it learned from is also shown to the network of the fold that held it
    out, where the model ships that one and no test is left that the final network never saw.
    """
    card = find_card(model)
    report = json.loads((card.folder / "training-report.json").read_text(encoding="utf-8"))
    rows, view = _cohort(report, read_manifest(manifest))
    folds = {one.case: int(one.fold) for one in read_predictions(card.folder / PREDICTIONS_FILE)}
    unseen = any(row.case not in folds for row in rows)
    networks = load_outcome_networks(card)
    lines: list[FeatureRow] = []
    values: list[Floats] = []
    for number, row in enumerate(rows):
        progress.update("features", number / len(rows), f"{row.case}")
        x = view(row)
        for name, network, learned in _askers(networks, folds.get(row.case), unseen):
            lines.append(FeatureRow(row.case, row.patient, int(row.label), name, learned))
            values.append(_features(card, network, x))
    table = FeatureTable(model, card.weights.sha256, tuple(lines), np.stack(values).astype(np.float32))
    write_features(table, card.folder)
    progress.update("features", 1.0, "done")
    return table


def _askers(networks: OutcomeNetworks, fold: int | None, unseen: bool) -> list[tuple[str, nn.Module, bool]]:
    """Return name, network and whether it learned from a case that `fold` held out; None is a case of the test."""
    final = (FINAL, networks.final[0], fold is not None)
    if fold is None or unseen:
        return [final]
    return [final, (f"fold-{fold}", networks.folds[fold][0], False)]


def _features(card: ModelCard, network: nn.Module, x: Tensor) -> Floats:
    found = feature_vectors([network], x)
    if found is None:
        raise InternalFault(f"The networks of {card.id} tell no features.", "Please report this.")
    features: Floats = found[0]
    return features


def _cohort(report: Mapping[str, Any], rows: Sequence[ManifestRow]) -> tuple[list[ManifestRow], View]:
    """Return the labelled rows and what makes the network's input of one, by the recipe of the training."""
    if report["recipe"].get("network") == "resnet3d":
        return _brain(report, rows)
    from LesionLensLib.training.sarcoma.cases import read_case
    from LesionLensLib.training.sarcoma.kind import SarcomaKind
    from LesionLensLib.training.sarcoma.prediction import case_input
    from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe

    recipe = OutcomeRecipe.from_dict(report["recipe"]).row(report["chosen"])
    labelled = SarcomaKind().labelled(recipe, rows)
    return labelled, lambda row: case_input(read_case(row, recipe.roles, recipe.field_of_view, 0), recipe)


def _brain(report: Mapping[str, Any], rows: Sequence[ManifestRow]) -> tuple[list[ManifestRow], View]:
    from LesionLensLib.training.local_failure.cases import read_cases
    from LesionLensLib.training.local_failure.kind import LocalFailureKind, case_input
    from LesionLensLib.training.local_failure.recipe import LocalFailureRecipe

    recipe = LocalFailureRecipe.from_dict(report["recipe"]).row(report["chosen"])
    labelled = LocalFailureKind().labelled(recipe, rows)
    # One generator over all rows: lesions of one brain share its normalisation, which takes most of the time.
    cases = read_cases(labelled, recipe, 0)

    def view(row: ManifestRow) -> Tensor:
        case = next(cases)
        if case.case != row.case:
            raise InternalFault("Lesions were read in another order.", "Please report this.")
        return case_input(case)

    return labelled, view
