"""Where the voxels of a feature map lie in the image, and how a coarse map becomes one on the image's grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Triple = tuple[int, int, int]
Shift = tuple[float, float, float]
Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Placement:
    """Feature voxel f is centred on image voxel `first` + `stride` * f, on each axis (D, H, W); both count voxels."""

    stride: Triple = (1, 1, 1)
    first: Shift = (0.0, 0.0, 0.0)

    def after(self, kernel: Triple, stride: Triple, padding: Triple) -> Placement:
        """Return where the output of a convolution or pooling lies whose input lies here."""
        windows = zip(self.first, self.stride, kernel, padding, strict=True)
        d, h, w = (first + step * ((side - 1) / 2 - pad) for first, step, side, pad in windows)
        depth, height, width = (step * jump for step, jump in zip(self.stride, stride, strict=True))
        return Placement((depth, height, width), (d, h, w))

    def enlarge(self, values: NDArray[np.floating], size: Sequence[int]) -> Floats32:
        """Return `values` (d, h, w) at every voxel of an image of `size` (D, H, W): trilinear, constant at the border.

        Where feature voxels cover their stride evenly, as behind the 2 x 2 x 2 layers of CHMFL and VGG, this equals
        torch's `interpolate` with align_corners off. Behind odd kernels padded by half (ResNet3d, RSANet) it does not:
        that call would shift the map by (stride - 1) / 2 voxels, 3.5 mm at the default layer of the brain model.
        """
        result = np.asarray(values, dtype=np.float64)
        for axis in range(3):
            weights = self._weights(axis, result.shape[axis], size[axis])
            result = np.moveaxis(np.tensordot(weights, result, (1, axis)), 0, axis)
        return np.ascontiguousarray(result, dtype=np.float32)

    def spread(self, values: NDArray[np.floating], size: Sequence[int]) -> NDArray[np.float64]:
        """Return `values` (d, h, w) shared out over the voxels of `size` (D, H, W) around each; the sum stays."""
        result = np.asarray(values, dtype=np.float64)
        for axis in range(3):
            weights = self._weights(axis, result.shape[axis], size[axis])
            result = np.moveaxis(np.tensordot(weights / weights.sum(0), result, (1, axis)), 0, axis)
        return result

    def gather(self, values: NDArray[np.floating], size: Sequence[int]) -> NDArray[np.float64]:
        """Return `values` (D, H, W) of the image collected in feature voxels of `size` (d, h, w); the sum stays."""
        result = np.asarray(values, dtype=np.float64)
        for axis in range(3):
            weights = self._weights(axis, size[axis], result.shape[axis])
            result = np.moveaxis(np.tensordot(weights.T, result, (1, axis)), 0, axis)
        return result

    def _weights(self, axis: int, features: int, voxels: int) -> NDArray[np.float64]:
        """Return what share (voxels, features) each feature voxel has in each image voxel; rows sum to 1."""
        place = (np.arange(voxels) - self.first[axis]) / self.stride[axis]
        distance = np.abs(np.clip(place, 0, features - 1)[:, None] - np.arange(features))
        return np.maximum(0.0, 1.0 - distance)
