"""Draws the thumbnails of the sample cases: the simulated head in FLAIR and the simulated thigh in CT, both outlined.

`python Testing/tools/draw_sample_thumbnail.py`; about 260 x 280 pixels, as Sample Data shows them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.images.resample import resample
from LesionLensLib.phantom import make_head_phantom, make_thigh_phantom

ROOT = Path(__file__).resolve().parents[2]
HEAD = ROOT / "LesionSegmentation" / "Resources" / "Icons" / "LesionLensSampleHead.png"
THIGH = ROOT / "MetastasisOutcome" / "Resources" / "Icons" / "LesionLensSampleThigh.png"
SIZE = (260, 280)
ORANGE, BLUE = (255, 140, 30), (60, 200, 255)
SOFT_TISSUE_HU = (-160.0, 240.0)
HOT_SUV = 6.0


def main() -> None:
    """Draw both pictures."""
    head, thigh = make_head_phantom(), make_thigh_phantom()
    k = int(head.lesion.array.sum((1, 2)).argmax())
    plane = axial_plane(head.FLAIR.grid.ras_from_ijk([(n - 1) / 2 for n in head.FLAIR.grid.size[:2]] + [k]), 0.8)
    flair = resample(head.FLAIR, plane).array[0].astype(float)
    draw(np.repeat((flair / np.percentile(flair, 99.7))[..., None], 3, axis=2), head.lesion, plane, ORANGE, HEAD)
    k, j, i = ndimage.center_of_mass(thigh.lesion.array)
    plane = axial_plane(thigh.lesion.grid.ras_from_ijk([i, j, k]), 0.7)
    low, high = SOFT_TISSUE_HU
    grey = np.clip((resample(thigh.CT, plane).array[0] - low) / (high - low), 0, 1)
    hot = np.clip(resample(thigh.PET, plane).array[0] / HOT_SUV, 0, 1)
    fused = np.stack([grey + 0.6 * hot, grey + 0.25 * hot**2, grey * (1 - 0.6 * hot)], axis=-1)
    draw(fused, thigh.lesion, plane, BLUE, THIGH)


def axial_plane(center_ras: NDArray[np.float64], pixel_mm: float) -> Grid:
    """Return the plane of the picture around a point (RAS, mm), patient's right on the left of it."""
    matrix = np.diag([-pixel_mm, -pixel_mm, 1.0, 1.0])  # rightwards to the patient's left, downwards to the back
    matrix[:3, 3] = center_ras - matrix[:3, :3] @ [SIZE[0] / 2, SIZE[1] / 2, 0]
    return Grid.from_ijk_to_ras(matrix, (*SIZE, 1))


def draw(
    brightness: NDArray[np.floating], lesion: Volume, plane: Grid, outline: tuple[int, int, int], target: Path
) -> None:
    """Write a picture (row, column, red green blue; 1 is full) with the lesion outlined."""
    inside = resample(lesion, plane, interpolation="nearest").array[0] > 0
    picture = np.clip(255 * brightness, 0, 255).astype(np.uint8)
    picture[ndimage.binary_dilation(inside) & ~inside] = outline
    Image.fromarray(picture).save(target, optimize=True)


if __name__ == "__main__":
    main()
