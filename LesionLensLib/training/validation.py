"""Watch a training on planted patients whose lesion shapes it never saw; no test patient comes near this file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from LesionLensLib.inference.device import DeviceChoice
from LesionLensLib.inference.normalize import normalize
from LesionLensLib.inference.passes import Predictor, predict_windows, prepare
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.metrics import Counts, block_counts, dice, estimate, voxel_average
from LesionLensLib.networks.rsanet import RSANet
from LesionLensLib.training.pool import PoolEntry, build_pool
from LesionLensLib.training.recipe import Recipe

SPACING_MM = (1.0, 1.0, 1.0)
VALIDATION_SEED = 1000


def held_out_pool(rows: Sequence[ManifestRow], recipe: Recipe, tell: Callable[[str], None]) -> list[PoolEntry]:
    """Plant the shapes that training left out, one simulated patient a brain, beside the really labelled ones."""
    shapes = {row.patient for row in rows if row.has("lesion") and not row.has("FLAIR")}
    trained_on = tuple(sorted(shapes - set(recipe.held_out_outlines)))
    unseen = replace(
        recipe, held_out_outlines=trained_on, planted_per_brain=1, phantom_volumes=0, seed=recipe.seed + VALIDATION_SEED
    )
    return build_pool(rows, unseen, tell)


def validate(network: RSANet, pool: Sequence[PoolEntry], recipe: Recipe, device: DeviceChoice) -> dict[str, Any]:
    """Return the voxel Dice of whole-volume and windowed passes on the planted and on the real entries of `pool`.

    Windows are the training crops, half overlapping, blended by Gaussians. The real entries were trained on: theirs is
    the Dice of the fit, not of anything new.
    """
    whole = prepare(network, device)
    windowed = partial(predict_windows, whole, window=recipe.crop)
    return {
        name: {
            group: _voxel_dice([entry for entry in pool if entry.is_real == is_real], predictor)
            for group, is_real in (("planted_unseen_shapes", False), ("real_trained_on", True))
        }
        for name, predictor in (("whole_volume", whole), ("windows", windowed))
    }


def _voxel_dice(entries: Sequence[PoolEntry], predictor: Predictor) -> dict[str, Any]:
    counts = [_counts(entry, predictor) for entry in entries]
    return {**estimate(counts, partial(voxel_average, score=dice)).to_dict(), "volumes": len(entries)}


def _counts(entry: PoolEntry, predictor: Predictor) -> Counts:
    images = np.stack([normalize(channel.astype(np.float32), entry.brain) for channel in entry.channels])
    probability: NDArray[np.float32] = predictor(torch.from_numpy(images))
    return block_counts((probability >= 0.5) & entry.brain, entry.lesion, SPACING_MM)
