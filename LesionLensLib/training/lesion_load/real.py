"""Ask the finished model, as a user would, for patients who were held out and whose lesions are really known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import nn

from LesionLensLib.images import read_transform, read_volume
from LesionLensLib.inference.hemispheres import SideLoads, side_loads
from LesionLensLib.inference.lesion_load import estimate_load, prepare_load
from LesionLensLib.inference.network import load_model
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.model_card import ModelCard
from LesionLensLib.training.lesion_load.evaluation import Judged


def judge_real(rows: Sequence[ManifestRow], patients: Sequence[str], card: ModelCard) -> Judged | None:
    """Return truth and answer for the labelled rows of `patients`, never of the test split; None where there is none.

    Images are read, sampled and normalised as at inference, and the weights are those that were written.
    """
    needed = (*card.roles, "brain", "lesion")
    chosen = [row for row in rows if row.split != "test" and row.patient in patients and row.has(*needed)]
    if not chosen:
        return None
    network = load_model(card).network
    pairs = [_loads(row, network, card) for row in chosen]
    truth, said = (np.array([[s.total_ml, s.left_ml, s.right_ml] for s in sides]) for sides in zip(*pairs, strict=True))
    cases, names = tuple(row.case for row in chosen), tuple(row.patient for row in chosen)
    return Judged("real-label", cases, names, truth, said, np.zeros((len(chosen), 2)))


def _loads(row: ManifestRow, network: nn.Module, card: ModelCard) -> tuple[SideLoads, SideLoads]:
    volumes = {role: read_volume(row.files[role]) for role in card.roles}
    columns = {role: f"{role}_transform" for role in card.roles}
    transforms = {role: read_transform(row.files[column]) for role, column in columns.items() if row.has(column)}
    given = prepare_load(volumes, read_volume(row.files["brain"]), card, transforms)
    lesion = read_volume(row.files["lesion"])
    truth = side_loads(lesion.with_array(lesion.array != 0), given.midline_r_mm)
    return truth, estimate_load(network, given, card)
