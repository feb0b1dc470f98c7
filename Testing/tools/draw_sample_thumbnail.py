"""Draws the thumbnails of the sample cases: heads in FLAIR, tumours in PET over CT, outlined where an outline is known.

`python Testing/tools/draw_sample_thumbnail.py [DATA]`; 260 x 280 pixels, as Sample Data shows them. The two real cases
(CC-BY, see Resources/SampleData/cases.json) are drawn where DATA is a folder that holds them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.phantom import make_head_phantom, make_thigh_phantom

ROOT = Path(__file__).resolve().parents[2]
HEADS, TUMOURS = (ROOT / module / "Resources" / "Icons" for module in ("LesionSegmentation", "MetastasisOutcome"))
MS_CASE, SARCOMA_CASE = "ms/native/lj_long_p04_study1", "sarcoma_petct/native/STS_024"
SIZE = (260, 280)
ORANGE, BLUE = (255, 140, 30), (60, 200, 255)
SOFT_TISSUE_HU = (-160.0, 240.0)
HOT_SUV = 6.0


def main(data: Path | None) -> None:
    """Draw the simulated cases, and the real ones where `data` holds them."""
    head, thigh = make_head_phantom(), make_thigh_phantom()
    draw_head(head.FLAIR, head.lesion, int(head.lesion.array.sum((1, 2)).argmax()), HEADS / "LesionLensSampleHead.png")
    draw_tumour(thigh.PET, thigh.CT, thigh.lesion, TUMOURS / "LesionLensSampleThigh.png")
    if data is None:
        return
    flair, changed = (read_volume(data / MS_CASE / f"{name}.nii.gz") for name in ("FLAIR", "lesion_change"))
    draw_head(flair, None, int(changed.array.sum((1, 2)).argmax()), HEADS / "LesionLensSampleMS.png")
    pet, ct, mask = (read_volume(data / SARCOMA_CASE / f"{n}.nii.gz") for n in ("PET_image", "CT_image", "CT_mask"))
    draw_tumour(pet, ct, mask, TUMOURS / "LesionLensSampleSarcoma.png")


def draw_head(flair: Volume, lesion: Volume | None, k: int, target: Path) -> None:
    """Draw the axial plane through the middle of slice `k`, the lesions outlined where they are known."""
    plane = axial_plane(flair.grid.ras_from_ijk([(n - 1) / 2 for n in flair.grid.size[:2]] + [k]), 0.8)
    grey = resample(flair, plane).array[0].astype(float)
    draw(np.repeat((grey / np.percentile(grey, 99.7))[..., None], 3, axis=2), lesion, plane, ORANGE, target)


def draw_tumour(pet: Volume, ct: Volume, tumour: Volume, target: Path) -> None:
    """Draw the axial plane through the middle of a tumour, uptake over CT."""
    k, j, i = ndimage.center_of_mass(tumour.array)
    plane = axial_plane(tumour.grid.ras_from_ijk([i, j, k]), 0.7)
    low, high = SOFT_TISSUE_HU
    grey = np.clip((resample(ct, plane, fill=low).array[0] - low) / (high - low), 0, 1)
    hot = np.clip(resample(pet, plane).array[0] / HOT_SUV, 0, 1)
    fused = np.stack([grey + 0.6 * hot, grey + 0.25 * hot**2, grey * (1 - 0.6 * hot)], axis=-1)
    draw(fused, tumour, plane, BLUE, target)


def axial_plane(center_ras: NDArray[np.float64], pixel_mm: float) -> Grid:
    """Return the plane of the picture around a point (RAS, mm), patient's right on the left of it."""
    matrix = np.diag([-pixel_mm, -pixel_mm, 1.0, 1.0])  # rightwards to the patient's left, downwards to the back
    matrix[:3, 3] = center_ras - matrix[:3, :3] @ [SIZE[0] / 2, SIZE[1] / 2, 0]
    return Grid.from_ijk_to_ras(matrix, (*SIZE, 1))


def draw(
    brightness: NDArray[np.floating], lesion: Volume | None, plane: Grid, outline: tuple[int, int, int], target: Path
) -> None:
    """Write a picture (row, column, red green blue; 1 is full) with the lesion outlined."""
    picture = np.clip(255 * brightness, 0, 255).astype(np.uint8)
    if lesion is not None:
        inside = resample(lesion, plane, interpolation="nearest").array[0] > 0
        picture[ndimage.binary_dilation(inside) & ~inside] = outline
    Image.fromarray(picture).save(target, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
