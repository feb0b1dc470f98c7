"""A tiny CHMFL model folder for tests: real code paths, weights made of seeded random numbers, made-up patients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sarcoma_cases import write_patients

OPTIONS = {"levels": 2, "base_width": 2, "hidden": [8]}
SPACING_MM, FIELD_MM = 4.0, (32.0, 40.0, 48.0)
FOLDS, MEMBERS, VIEWS = 4, 2, 2
CARD: dict[str, Any] = {
    "id": "tiny-chmfl",
    "version": "0.0.1",
    "title": "Untrained network for tests",
    "channel_def": [
        {"role": "PET", "title": "FDG-PET (SUV)", "modality": "PT", "hints": ["pet"]},
        {"role": "CT", "title": "CT (HU)", "modality": "CT", "hints": ["ct"]},
    ],
    "reference_role": "CT",
    "outcome": {"event": "lung metastasis", "classes": ["no lung metastasis", "lung metastasis"]},
    "labels": [{"value": 1, "id": "tumour", "name": "Tumour", "color": [0.9, 0.2, 0.2]}],
    "spacing_range_mm": [0.3, 10.0],
    "threshold": 0.5,
    "min_volume_ml": 0.5,
    "evidence": "untrained",
    "licence": "Apache-2.0",
    "citation": "none",
    "intended_use": "tests",
    "data_source": "random numbers",
}


def write_tiny_outcome_model(folder: Path, patients: Path, seed: int = 11) -> Path:
    """Write weights, card and typicality into `folder`; the training patients are written into `patients`."""
    import torch

    from LesionLensLib.inference.network import build_network
    from LesionLensLib.outcome.calibration import Calibration
    from LesionLensLib.training.export import write_model
    from LesionLensLib.training.outcome.statistics import typicality_of, write_statistics
    from LesionLensLib.training.sarcoma.cases import read_case
    from LesionLensLib.training.sarcoma.export import outcome_card
    from LesionLensLib.training.sarcoma.prediction import describe_training_case
    from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe

    torch.set_num_threads(1)
    recipe = OutcomeRecipe(
        options=OPTIONS, spacing_mm=SPACING_MM, field_mm=FIELD_MM, normalization="petct-physical", views=VIEWS,
        members=MEMBERS, card=CARD,
    )  # fmt: skip
    card = outcome_card(recipe, FOLDS)
    tensors: dict[str, torch.Tensor] = {}
    firsts = []
    prefixes = ["", *(f"final.{member}." for member in range(1, MEMBERS))]
    prefixes += [f"fold.{fold}.{member}." for fold in range(FOLDS) for member in range(MEMBERS)]
    for number, prefix in enumerate(prefixes):
        network = build_network(card["network"]).eval()
        generator = torch.Generator().manual_seed(seed + number)
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data = (0.3 * noise).half().float()
        tensors |= {prefix + name: value for name, value in network.state_dict().items()}
        if prefix.startswith("fold.") and prefix.endswith(".0."):
            firsts.append(network)
    folder.mkdir(parents=True, exist_ok=True)
    rows = write_patients(patients, 12)
    cases = [read_case(row, recipe.roles, recipe.field_of_view, 1) for row in rows]
    described = [describe_training_case(case, recipe, firsts, torch.device("cpu")) for case in cases]
    reference = typicality_of(described, [number % FOLDS for number in range(len(cases))])
    calibration = Calibration("platt", 0.8, -0.3, (0.01, 0.002, 0.04), 12)
    write_model(tensors, {**card, **write_statistics(calibration, reference, folder)}, folder)
    return folder


def changed_model(model: Path, folder: Path, **fields: Any) -> Path:
    """Write a copy of a model folder whose card has other fields; a field given as None is left out."""
    folder.mkdir(parents=True)
    for path in model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    card = {**json.loads((model / "card.json").read_text()), **fields}
    (folder / "card.json").write_text(json.dumps({name: value for name, value in card.items() if value is not None}))
    return folder
