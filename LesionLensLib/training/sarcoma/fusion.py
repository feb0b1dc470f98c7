"""Fuse PET and T1 MR into one image whose texture is that of both.

After Vallieres et al., Physics in Medicine and Biology 60 (2015), section 2.4, in our own words: the square root of SUV
and the MR, each scaled to 0..255 by its values in the tumour, are taken apart by one level of the wavelet sym8, the
coefficients averaged band by band and put together again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

WAVELET = "sym8"
MR_WEIGHT = 0.5
# Beyond three standard deviations MR intensities are taken for artefacts (Collewet et al., MRI 22, 2004).
_WIDEST_SDS = 3.0
# The wavelet is 16 voxels wide.
_MARGIN = 15

Floats = NDArray[np.float64]


def fuse(
    pet: NDArray[np.generic], mr: NDArray[np.generic], mask: NDArray[np.bool_], mr_weight: float = MR_WEIGHT
) -> Floats:
    """Return the fused image (D, H, W), 0..255 in the tumour; arrays share one grid, `mask` is true in the tumour.

    Outside of the box around the tumour the result is 0. Raises `ValueError` for an empty mask.
    """
    import pywt

    if not mask.any():
        raise ValueError("there is no tumour to fuse the images in")
    box = _box(mask)
    inside = mask[box]
    first = _scaled(np.sqrt(np.maximum(pet[box].astype(np.float64), 0.0)), inside)
    second = _scaled(_filled(mr[box].astype(np.float64), inside), inside)
    bands, others = (pywt.wavedecn(image, WAVELET, mode="symmetric", level=1) for image in (first, second))
    mixed: list[Any] = [_mixed(bands[0], others[0], mr_weight)]
    mixed.append({name: _mixed(band, others[1][name], mr_weight) for name, band in bands[1].items()})
    joined = pywt.waverecn(mixed, WAVELET, mode="symmetric")[tuple(slice(n) for n in inside.shape)]
    fused = np.zeros(mask.shape)
    fused[box] = _scaled(joined, inside)
    return fused


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the box around the tumour with some voxels to spare, so that the wavelet's edge lies outside of it."""
    found: tuple[slice, ...] = ndimage.find_objects(mask.astype(np.int8))[0]
    sizes = zip(found, mask.shape, strict=True)
    return tuple(slice(max(0, s.start - _MARGIN), min(n, s.stop + _MARGIN)) for s, n in sizes)


def _filled(mr: Floats, inside: NDArray[np.bool_]) -> Floats:
    """Continue the MR outside of the tumour by the nearest value within: its field of view may end there."""
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    filled: Floats = mr[tuple(nearest)]
    return filled


def _scaled(image: Floats, inside: NDArray[np.bool_]) -> Floats:
    low, high = float(image[inside].min()), float(image[inside].max())
    return np.asarray((image - low) / max(high - low, 1e-9) * 255.0)


def _mixed(pet_band: Floats, mr_band: Floats, mr_weight: float) -> Floats:
    reach = _WIDEST_SDS * float(mr_band.std())
    calmed = np.clip(mr_band, mr_band.mean() - reach, mr_band.mean() + reach)
    return np.asarray((1 - mr_weight) * pet_band + mr_weight * calmed)
