"""A made-up head of any orientation whose lesions are known, and tiny networks that learned their load from it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from tiny_model import tiny_card

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, write_volume
from LesionLensLib.inference.brain_lesion_input import PLAIN
from LesionLensLib.training.export import write_model
from LesionLensLib.training.lesion_load.evaluation import Judged, judge
from LesionLensLib.training.lesion_load.examples import LoadBatches
from LesionLensLib.training.lesion_load.recipe import LoadRange, LoadRecipe
from LesionLensLib.training.lesion_load.records import load_card
from LesionLensLib.training.lesion_load.soil import LoadSoil, make_soil
from LesionLensLib.training.lesion_load.trainer import make_state, train_step

SPACING_MM, SIDE = 6.0, 24
FINE_MM, FINE_SIDE = 3.0, 48
CENTRE = np.array([6.0, -14.0, 32.0])
RADII_MM = np.array([55.0, 64.0, 50.0])
# Centres (R, A, S in mm from the middle of the brain) and radii of the patient's lesions: two on the left, three on
# the right.
PATIENT = (
    *(((-30, 14, 5), 9.0), ((-24, -22, -8), 8.0)),
    *(((28, 25, -8), 10.0), ((30, -20, 12), 9.0), ((22, 0, -25), 9.0)),
)
RECIPE = LoadRecipe(
    field=(SIDE,) * 3,
    spacing_mm=SPACING_MM,
    options={"widths": [4, 8], "hidden": 16, "unit": 10.0},
    steps=80,
    batch=8,
    learning_rate=1e-2,
    head_rate=0.3,
    warm_up_steps=5,
    cell_blocks=(1,),
    averaging=0.5,
    loads=LoadRange(most_ml=20.0, lightness=1.0, healed_chance=0.05, empty_chance=0.1, strength=(0.9, 1.1)),
)
CPU = torch.device("cpu")


def head(grid: Grid, lesions: Any = PATIENT, centre: np.ndarray = CENTRE) -> dict[str, Volume]:
    """Return T1, FLAIR, brain and lesion of the head with its middle at `centre` (RAS, mm), sampled on `grid`."""
    k, j, i = np.indices(grid.shape)
    places = grid.ras_from_ijk(np.stack([i, j, k], -1)) - centre
    brain = ((places / RADII_MM) ** 2).sum(-1) < 1
    lesion = np.zeros(grid.shape, bool)
    for middle, radius in lesions:
        lesion |= np.linalg.norm(places - np.array(middle), axis=-1) < radius
    lesion &= brain
    r, a, s = np.moveaxis(places, -1, 0)
    texture = 30 * np.sin(r / 13) * np.cos(a / 17) + 20 * np.sin(s / 11)
    images = {"T1": 500 + texture - 150 * lesion, "FLAIR": 300 + texture + 200 * lesion}
    volumes = {role: Volume((array * brain).astype(np.float32), grid) for role, array in images.items()}
    masks = {"brain": brain, "lesion": lesion}
    return {**volumes, **{name: Volume(mask.astype(np.uint8), grid) for name, mask in masks.items()}}


def oblique() -> Grid:
    """Return a left-handed, anisotropic grid turned about all axes around the head."""
    axes = Rotation.from_euler("xyz", (12.0, -9.0, 14.0), degrees=True).as_matrix() @ np.diag([1.0, 1.0, -1.0])
    spacing = (2.6, 3.1, 4.2)
    size = np.ceil(np.array([150.0, 170.0, 140.0]) / spacing).astype(int)
    grid = Grid(tuple(size), spacing, (0.0, 0.0, 0.0), tuple(axes.ravel()))
    return grid.cropped((grid.ijk_from_ras(CENTRE) - (size - 1) / 2).tolist(), size.tolist())


def write_head(folder: Path, grid: Grid, lesions: Any = PATIENT) -> dict[str, Path]:
    """Write the volumes of the head into `folder` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, volume in head(grid, lesions).items():
        paths[name] = folder / f"{name}.nii.gz"
        write_volume(volume, paths[name])
    return paths


@cache
def soils() -> tuple[LoadSoil, ...]:
    """Return heads with lesions at random places, as the training takes them."""
    return tuple(_soil(seed) for seed in range(4))


def _soil(seed: int) -> LoadSoil:
    rng = np.random.default_rng(seed)
    fine, box = (_box(side, mm) for side, mm in ((FINE_SIDE, FINE_MM), (SIDE, SPACING_MM)))
    lesions = [((side * rng.uniform(14, 36), *rng.uniform(-30, 30, 2)), rng.uniform(7, 11))
               for side in (-1, 1) for _ in range(5)]  # fmt: skip
    middle = np.zeros(3)
    planted, healed = head(fine, lesions, middle), head(fine, (), middle)
    pair = [np.stack([one["T1"].array, one["FLAIR"].array]) for one in (healed, planted)]
    masks = planted["lesion"].array != 0, planted["brain"].array != 0
    return make_soil((f"p{seed}", f"p{seed}", "real"), *pair, *masks, fine, box)


def _box(side: int, spacing_mm: float) -> Grid:
    return Grid((side,) * 3, (spacing_mm,) * 3, (-(side - 1) / 2 * spacing_mm,) * 3)


def trained_load_model(folder: Path, bias: str = "none") -> Path:
    """Train a tiny network for some seconds by the recipe's own `bias`, and write its model folder."""
    recipe = replace(RECIPE, bias=bias, card=_card_of(f"tiny-load-{bias}"))
    state, batches = make_state(recipe, CPU), LoadBatches(soils(), recipe)
    for _ in range(recipe.steps):
        train_step(state, recipe, batches.batch(state.step), CPU)
    network = state.network.network
    network.load_state_dict(state.network.weights(state.average))
    described = judge("training", network.eval(), (batches.example(n, 2) for n in range(24)), CPU)
    write_load_model(folder, recipe, network.state_dict(), described)
    return folder


def untrained_load_model(folder: Path, **changes: Any) -> Path:
    """Write a model folder with random weights that say something, for a head of the true size."""
    recipe = replace(RECIPE, field=(16, 24, 16), spacing_mm=10.0, card=_card_of("tiny-load"))
    torch.manual_seed(3)
    network = make_state(recipe, CPU).network.network.eval()
    truth = np.array([[n + m, n, m] for n, m in ((1.0, 5.0), (4.0, 2.0), (9.0, 3.0))])
    described = Judged("training", ("a", "b", "c"), ("a", "b", "c"), truth, truth + 1, truth[:, 1:])
    write_load_model(folder, recipe, network.state_dict(), described, **changes)
    return folder


def write_load_model(folder: Path, recipe: LoadRecipe, weights: Any, described: Judged, **changes: Any) -> None:
    """Write weights and card into `folder`; `changes` are fields of the card."""
    folder.mkdir(parents=True, exist_ok=True)
    write_model(weights, {**load_card(recipe, described, described), "normalization": PLAIN, **changes}, folder)


def _card_of(model: str) -> dict[str, Any]:
    record = tiny_card()
    channels = [channel for channel in record["channel_def"] if channel["role"] != "T2"]
    left_out = ("schema", "network", "weights", "labels", "task", "threshold", "min_volume_ml", "spacing_mm")
    kept = {name: value for name, value in record.items() if name not in left_out}
    return {**kept, "id": model, "title": "Tiny lesion load", "channel_def": channels, "evidence": "simulated"}
