"""One simulated patient from whose lesions any number of examples with known loads can be drawn.

Planting takes seconds, an example must take a tenth of one. What planting changed is kept apart from the healed brain,
cut into the parts of single lesions: with any choice of parts added, the brain shows these lesions and no others. All
of it lies on the box that the network sees, so that drawing needs no resampling.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from LesionLensLib.geometry import Grid
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.field_of_view import sample_box
from LesionLensLib.training.brain import BoolArray, FloatArray
from LesionLensLib.training.lesion_library import TOUCHING_26

REACH_MM = 4.0
"""How far from a lesion what was planted belongs to it: its soft edge, and the blur of the coarser box."""

LEFT, RIGHT = 1, 2


@dataclass(frozen=True, eq=False)
class LoadSoil:
    """Healed channels (C, D, H, W) in scanner units, and what planting added to them, on the box of the network.

    `parts` (D, H, W) numbers the lesions from 1, those that cross the midline as one part on each side; 0 is what
    belongs to none and is always there, as artefacts are. `share` (D, H, W) is how much of a voxel is lesion. `sides`
    (parts + 1,) holds `LEFT` or `RIGHT` for each part, `part_ml` its volume; both are 0 at 0.
    """

    case: str
    patient: str
    kind: str
    healed: NDArray[np.float16]
    added: NDArray[np.float16]
    share: NDArray[np.float16]
    parts: NDArray[np.uint16]
    brain: BoolArray
    sides: NDArray[np.uint8]
    part_ml: NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write the soil into one .npz file, whole or not at all."""
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez_compressed(file, **{f.name: getattr(self, f.name) for f in fields(self)})
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> LoadSoil:
        """Read what `save` wrote."""
        with np.load(path) as file:
            values = {f.name: file[f.name] for f in fields(cls)}
        texts = {name: str(values[name]) for name in ("case", "patient", "kind")}
        return cls(**{**values, **texts})


def make_soil(
    names: tuple[str, str, str],
    healed: FloatArray,
    planted: FloatArray,
    lesion: BoolArray,
    brain: BoolArray,
    grid: Grid,
    box: Grid,
) -> LoadSoil:
    """Bring one planted brain onto `box`, whose middle is the midline; `names` are case, patient and kind.

    `healed` and `planted` (C, D, H, W), `lesion` and `brain` (D, H, W) lie on `grid`.
    """

    def on_box(array: FloatArray) -> FloatArray:
        boxed: FloatArray = sample_box(Volume(array.astype(np.float32), grid), box, 0.0).array
        return boxed

    parts = _parts(lesion, grid, box)
    share = on_box(lesion.astype(np.float32)).clip(0, 1) * (parts > 0)
    ml = np.bincount(parts.ravel(), share.ravel()) * box.voxel_ml
    ml[0] = 0.0
    left_ml = np.bincount(parts.ravel(), (share * left_half(share.shape)).ravel()) * box.voxel_ml
    sides = np.where(left_ml > ml / 2, LEFT, RIGHT).astype(np.uint8)
    sides[0] = 0
    return LoadSoil(
        *names,
        healed=_half(np.stack([on_box(channel) for channel in healed])),
        added=_half(np.stack([on_box(channel) for channel in planted - healed])),
        share=share.astype(np.float16),
        parts=parts.astype(np.uint16),
        brain=resample(Volume(brain.astype(np.uint8), grid), box, "nearest").array != 0,
        sides=sides,
        part_ml=ml.astype(np.float32),
    )


def left_half(shape: tuple[int, ...]) -> BoolArray:
    """Return which voxels (D, H, W) of a box along L, P, S are left of its middle; its sides are even."""
    left: BoolArray = np.broadcast_to(np.arange(shape[2]) >= shape[2] // 2, shape)
    return left


def _parts(lesion: BoolArray, grid: Grid, box: Grid) -> NDArray[np.int64]:
    """Return for every voxel of `box` the number of the lesion it belongs to, 0 for none, split at the midline."""
    reach = [int(np.ceil(REACH_MM / mm)) for mm in grid.spacing_mm[::-1]]
    labels, count = ndimage.label(lesion, TOUCHING_26)
    if count == 0:
        return np.zeros(box.shape, np.int64)
    distance, nearest = ndimage.distance_transform_edt(~lesion, sampling=grid.spacing_mm[::-1], return_indices=True)
    owner = np.where(distance <= max(reach), labels[tuple(nearest)], 0)
    coarse = resample(Volume(owner.astype(np.int32), grid), box, "nearest").array.astype(np.int64)
    split = np.where(coarse > 0, 2 * coarse + left_half(coarse.shape), 0)
    numbers = np.unique(split[split > 0])
    out: NDArray[np.int64] = np.searchsorted(numbers, split) + 1
    return np.where(split > 0, out, 0)


def _half(array: FloatArray) -> NDArray[np.float16]:
    return np.clip(array, -60000, 60000).astype(np.float16)
