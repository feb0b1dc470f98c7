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
from LesionLensLib.metrics import block_counts, dice, estimate, voxel_average
from LesionLensLib.networks.rsanet import RSANet
from LesionLensLib.training.case_cache import NO_CACHE, CaseCache
from LesionLensLib.training.pool import PoolEntry, build_pool
from LesionLensLib.training.recipe import Recipe

SPACING_MM = (1.0, 1.0, 1.0)
VALIDATION_SEED = 1000
THRESHOLDS = (0.3, 0.5, 0.7, 0.9)


def held_out_pool(
    rows: Sequence[ManifestRow], recipe: Recipe, tell: Callable[[str], None], cache: CaseCache = NO_CACHE
) -> list[PoolEntry]:
    """Plant the shapes that training left out, one simulated patient a brain, beside the really labelled ones."""
    rows = [row for row in rows if row.has("FLAIR") or row.has("lesion")]
    shapes = {row.patient for row in rows if row.has("lesion") and not row.has("FLAIR")}
    trained_on = tuple(sorted(shapes - set(recipe.held_out_outlines)))
    unseen = replace(
        recipe, held_out_outlines=trained_on, planted_per_brain=1, phantom_volumes=0, seed=recipe.seed + VALIDATION_SEED
    )
    return build_pool(rows, unseen, tell, cache)


def validate(network: RSANet, pool: Sequence[PoolEntry], recipe: Recipe, device: DeviceChoice) -> dict[str, Any]:
    """Return the voxel Dice of whole-volume and windowed passes on the planted and on the real entries of `pool`.

    Windows are the training crops, half overlapping, blended by Gaussians. Of the thresholds, one is chosen for the
    card; lower ones are needed where disease is faint, higher ones where a network has mostly seen lesions.
    """
    whole = prepare(network, device)
    windows = partial(predict_windows, whole, window=recipe.crop)
    passes: dict[str, Predictor] = {"whole_volume": whole, "windows": windows}
    groups = {"planted": [e for e in pool if not e.is_real], "real": [e for e in pool if e.is_real]}
    return {
        name: {group: _voxel_dice(entries, predictor) for group, entries in groups.items() if entries}
        for name, predictor in passes.items()
    }


def _voxel_dice(entries: Sequence[PoolEntry], predictor: Predictor) -> dict[str, Any]:
    probabilities = [_probability(entry, predictor) for entry in entries]
    by_threshold = {}
    for threshold in THRESHOLDS:
        counts = [
            block_counts((probability >= threshold) & entry.brain, entry.lesion, SPACING_MM)
            for entry, probability in zip(entries, probabilities, strict=True)
        ]
        by_threshold[str(threshold)] = estimate(counts, partial(voxel_average, score=dice)).to_dict()
    return {"volumes": len(entries), "voxel_dice_at_threshold": by_threshold}


def _probability(entry: PoolEntry, predictor: Predictor) -> NDArray[np.float32]:
    if entry.channels is None:
        raise ValueError(f"{entry.name} has no images to judge a network on")
    images = np.stack([normalize(channel.astype(np.float32), entry.brain) for channel in entry.channels])
    return predictor(torch.from_numpy(images))
