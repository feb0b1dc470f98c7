"""From images to lesion load on each side: the plane, the box, and which side is the patient's left."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from tiny_model import tiny_card
from torch import Tensor, nn

from LesionLensLib.catalogue import read_card
from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.inference.case import Case
from LesionLensLib.inference.hemispheres import brain_centre_ras, side_loads
from LesionLensLib.inference.lesion_load import estimate_load, prepare_load, quick_load
from LesionLensLib.inference.segment import run_segment
from LesionLensLib.jobs import SegmentJob
from LesionLensLib.model_card import ModelCard
from LesionLensLib.progress import SilentProgress
from LesionLensLib.training.export import write_model

CENTRE = np.array([6.0, -14.0, 32.0])
LEFT_LESION = CENTRE + np.array([-30.0, 10.0, 5.0])
RADIUS_MM = 12.0
LESION_ML = 4 / 3 * np.pi * RADIUS_MM**3 / 1000
SIDES = {"left": "left", "right": "right", "cases": 9, "truth": [-5, 5], "predicted": [-5, 5]}


def oblique(spacing: tuple[float, float, float] = (1.9, 2.3, 3.1)) -> Grid:
    """Return a left-handed grid turned about all axes, with its middle on the brain."""
    axes = Rotation.from_euler("xyz", (12.0, -9.0, 14.0), degrees=True).as_matrix() @ np.diag([1.0, 1.0, -1.0])
    return around_the_brain(spacing, axes)


def around_the_brain(spacing: tuple[float, float, float], axes: np.ndarray) -> Grid:
    size = np.ceil(np.array([150.0, 170.0, 140.0]) / spacing).astype(int)
    grid = Grid(tuple(size), spacing, (0.0, 0.0, 0.0), tuple(axes.ravel()))
    lower = grid.ijk_from_ras(CENTRE) - (size - 1) / 2
    return grid.cropped(lower.tolist(), size.tolist())


def ras_of(grid: Grid) -> np.ndarray:
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    return grid.ras_from_ijk(np.stack([i, j, k], axis=-1))


def head(grid: Grid) -> tuple[dict[str, Volume], Volume, Volume]:
    """Return T1 and FLAIR, the brain, and the lesion on the left of a made-up head, sampled on `grid`."""
    ras = ras_of(grid)
    brain = (((ras - CENTRE) / (55, 68, 50)) ** 2).sum(-1) < 1
    lesion = ((ras - LEFT_LESION) ** 2).sum(-1) < RADIUS_MM**2
    texture = 30 * np.sin(ras[..., 0] / 13) * np.cos(ras[..., 1] / 17) + 20 * np.sin(ras[..., 2] / 11)
    t1, flair = 500 + texture - 120 * lesion, 300 + texture + 250 * lesion
    images = {"T1": t1 * brain, "FLAIR": flair * brain}
    volumes = {role: Volume(array.astype(np.float32), grid) for role, array in images.items()}
    return volumes, Volume(brain.astype(np.uint8), grid), Volume(lesion.astype(np.uint8), grid)


class Excess(nn.Module):
    """Stands in for a network: (total, left, right) of FLAIR scores above 2 in each half of the box, i to the left."""

    def forward(self, x: Tensor) -> Tensor:
        bright = (x[:, 1] > 2).float().sum((1, 2))
        right, left = bright.chunk(2, 1)
        return torch.stack([bright.sum(1), left.sum(1), right.sum(1)], 1)


def card(folder: Path, **changes: Any) -> ModelCard:
    outputs = [{"name": name, "unit": "ml", "sigma": 5.0} for name in ("total", "left", "right")]
    network = {"name": "vgg3d", "widths": [2, 2], "hidden": 4, "field": [40, 48, 40]}
    record = tiny_card() | {"network": network, "spacing_mm": [4.0, 4.0, 4.0], "normalization": "brain-scores"}
    record["channel_def"] = [channel for channel in record["channel_def"] if channel["role"] != "T2"]
    record |= {"regression": {"outputs": outputs, "differences": SIDES}} | changes
    (folder / "card.json").write_text(json.dumps(record))
    return read_card(folder)


@pytest.mark.parametrize("grid", [oblique(), around_the_brain((2.0, 2.0, 2.0), np.eye(3))])
def test_what_lies_at_smaller_r_than_the_brains_centre_is_left(grid: Grid) -> None:
    _, brain, lesion = head(grid)
    centre = brain_centre_ras(brain)
    assert centre == pytest.approx(CENTRE, abs=0.5)
    loads = side_loads(lesion, float(centre[0]))
    assert loads.left_ml == pytest.approx(LESION_ML, rel=0.05)
    assert loads.right_ml == pytest.approx(0, abs=1e-9)
    assert loads.difference_ml == pytest.approx(loads.total_ml)
    far_left_plane = side_loads(lesion, float(LEFT_LESION[0]))
    assert far_left_plane.left_ml == pytest.approx(LESION_ML / 2, rel=0.05), "a plane through the lesion halves it"


def test_a_voxel_on_the_plane_belongs_to_both_sides() -> None:
    grid = Grid((5, 1, 1), (8.0, 8.0, 8.0), (-16.0, 0.0, 0.0))
    loads = side_loads(Volume(np.ones((1, 1, 5), np.uint8), grid), 0.0)
    assert loads.left_ml == loads.right_ml == pytest.approx(2.5 * 0.512)


@pytest.mark.parametrize("grid", [oblique(), around_the_brain((2.0, 2.0, 2.0), np.eye(3))])
def test_the_box_has_its_middle_on_the_plane_and_runs_to_the_patients_left(grid: Grid, tmp_path: Path) -> None:
    volumes, brain, _ = head(grid)
    given = prepare_load(volumes, brain, card(tmp_path))
    assert given.images.shape == (2, 40, 48, 40)
    assert given.midline_r_mm == pytest.approx(CENTRE[0], abs=0.5)
    assert given.grid.ijk_to_ras[:3, :3] == pytest.approx(np.diag([-4.0, -4.0, 4.0]))
    inside = given.images[:, given.brain]
    assert inside.mean(1) == pytest.approx(0, abs=0.05)
    assert inside.std(1) == pytest.approx(1, abs=0.1)
    assert inside[1].max() > 4, "what is brighter than nearly all of the brain is not clipped"
    assert not given.images[:, ~given.brain].any()
    brightest = np.argwhere(given.images[1] == given.images[1].max()).mean(0)[::-1]
    assert given.grid.ras_from_ijk(brightest) == pytest.approx(LEFT_LESION, abs=8.0)
    loads = estimate_load(Excess(), given, card(tmp_path))
    assert loads.left_ml > 10
    assert loads.right_ml == 0


def test_the_same_head_gives_the_same_input_on_any_grid(tmp_path: Path) -> None:
    model = card(tmp_path)
    inputs = []
    for grid in (oblique(), around_the_brain((2.0, 2.0, 2.0), np.eye(3))):
        volumes, brain, _ = head(grid)
        inputs.append(prepare_load(volumes, brain, model))
    within = inputs[0].brain & inputs[1].brain
    # Borders of brain and lesion differ by the sampling; all else is the same place of the same head.
    apart = np.abs(inputs[0].images - inputs[1].images)[:, within]
    assert np.median(apart) < 0.1
    assert np.corrcoef(*(given.images[1][within] for given in inputs))[0, 1] > 0.97


def test_the_quick_estimate_takes_its_channels_from_any_case_and_never_goes_below_zero(tmp_path: Path) -> None:
    volumes, brain, _ = head(oblique())
    model = card(tmp_path)
    torch.manual_seed(0)
    from LesionLensLib.inference.network import build_network

    network = build_network(model.network).eval()
    network.output.bias.data = torch.tensor([1.5, -40.0])
    record = json.loads((tmp_path / "card.json").read_text())
    write_model(network.state_dict(), {k: v for k, v in record.items() if k not in ("schema", "weights")}, tmp_path)
    case = Case({**volumes, "T2": volumes["FLAIR"]}, None, {}, ())
    loads = quick_load(case, brain, read_card(tmp_path))
    assert loads.left_ml == pytest.approx(15, rel=0.5)
    assert loads.right_ml == 0
    with pytest.raises(UserError, match="needs T1"):
        quick_load(replace(case, volumes={"FLAIR": volumes["FLAIR"]}), brain, model)


def test_an_empty_brain_and_a_model_of_something_else_are_refused(tmp_path: Path) -> None:
    volumes, brain, _ = head(oblique())
    model = card(tmp_path)
    with pytest.raises(UserError, match="brain mask is empty"):
        prepare_load(volumes, brain.with_array(brain.array * 0), model)
    with pytest.raises(UserError, match="unknown normalization: zscore-brain"):
        prepare_load(volumes, brain, replace(model, normalization="zscore-brain"))
    with pytest.raises(UserError, match="estimates no lesion load"):
        prepare_load(volumes, brain, replace(model, regression=None))
    given, bare = prepare_load(volumes, brain, model), replace(model.regression, differences=None)
    with pytest.raises(UserError, match="does not tell left from right"):
        estimate_load(Excess(), given, replace(model, regression=bare))


def test_a_model_that_measures_is_not_asked_to_outline(tmp_path: Path) -> None:
    card(tmp_path)
    job = SegmentJob((("T1", "a.nii"),), str(tmp_path / "out"), str(tmp_path))
    with pytest.raises(UserError, match="outlines nothing"):
        run_segment(job, SilentProgress())
