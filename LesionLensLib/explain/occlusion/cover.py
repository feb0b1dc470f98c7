"""An image with cubes put over it: as whole images for the reference loop, as differences for incremental methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from LesionLensLib.explain.occlusion.boxes import box_coordinates, cut
from LesionLensLib.explain.occlusion.cubes import Starts, Triple
from LesionLensLib.explain.occlusion.fills import Fill


@dataclass(frozen=True, eq=False)
class Cover:
    """Boxes of `size` voxels (D, H, W) of the `image` (1, C, D, H, W), replaced by what `fill` says."""

    image: Tensor
    size: Triple
    fill: Fill

    def first_voxels(self, starts: Starts) -> Tensor:
        """Return `starts` (B, 3) as a tensor where the image is."""
        return torch.from_numpy(starts).to(self.image.device)

    def occluded(self, starts: Starts, channels: Sequence[int]) -> Tensor:
        """Return an image (B, C, D, H, W) for each box at `starts` (B, 3), occluded in `channels`."""
        images = self.image.repeat(len(starts), 1, 1, 1, 1)
        patches = self.fill.patches(self.first_voxels(starts), self.size).expand(len(starts), -1, *self.size)
        chosen = list(channels)
        for image, patch, (d, h, w) in zip(images, patches, starts.tolist(), strict=True):
            box = image[:, d : d + self.size[0], h : h + self.size[1], w : w + self.size[2]]
            depth, height, width = box.shape[1:]
            box[chosen] = patch[chosen, :depth, :height, :width]
        return images

    def differences(self, starts: Starts) -> Tensor:
        """Return what each box changes in every channel, (B, C, *size); 0 beyond the border of the volume."""
        first = self.first_voxels(starts)
        boxes = box_coordinates(first, self.size, self.image.shape[2:])
        changed = self.fill.patches(first, self.size) - cut(self.image, boxes)
        return changed if boxes.inside is None else changed * boxes.inside[:, None]
