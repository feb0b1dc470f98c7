"""Draws the thumbnail of the sample case: the simulated head in FLAIR, its lesions outlined.

`python Testing/tools/draw_sample_thumbnail.py`; about 260 x 280 pixels, as Sample Data shows them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from LesionLensLib.geometry import Grid
from LesionLensLib.images.resample import resample
from LesionLensLib.phantom import make_head_phantom

TARGET = Path(__file__).resolve().parents[2] / "LesionSegmentation" / "Resources" / "Icons" / "LesionLensSampleHead.png"
SIZE = (260, 280)
PIXEL_MM = 0.8
OUTLINE = (255, 140, 30)


def main() -> None:
    """Cut the axial slice with the most lesion voxels, patient's right on the left of the picture."""
    head = make_head_phantom()
    k = int(head.lesion.array.sum((1, 2)).argmax())
    center = head.FLAIR.grid.ras_from_ijk([(n - 1) / 2 for n in head.FLAIR.grid.size[:2]] + [k])
    matrix = np.diag([-PIXEL_MM, -PIXEL_MM, 1.0, 1.0])  # rightwards to the patient's left, downwards to the back
    matrix[:3, 3] = center - matrix[:3, :3] @ [SIZE[0] / 2, SIZE[1] / 2, 0]
    plane = Grid.from_ijk_to_ras(matrix, (*SIZE, 1))
    flair = resample(head.FLAIR, plane).array[0].astype(float)
    lesion = resample(head.lesion, plane, interpolation="nearest").array[0] > 0
    grey = np.clip(255 * flair / np.percentile(flair, 99.7), 0, 255).astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=2)
    picture[ndimage.binary_dilation(lesion) & ~lesion] = OUTLINE
    Image.fromarray(picture).save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
