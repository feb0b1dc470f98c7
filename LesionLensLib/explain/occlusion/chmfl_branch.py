"""One encoder branch of CHMFL with its features kept: what a cube changes in them, level by level, and nothing else.

Every convolution is linear, so that the features before an activation change by the convolution of what changed
before. The 2 x 2 x 2 convolutions of stride 2 do not overlap: a cube of 8 voxels touches 12, 6, 4, 3 and 2 cells along
an axis at the five levels. That is so where it begins with a block of cells; cubes that begin elsewhere touch up to one
cell more, and in a batch of both kinds all patches have the larger size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv3d, elu, pad
from torch.nn.utils.fusion import fuse_conv_bn_eval

from LesionLensLib.explain.occlusion.cells import Cells
from LesionLensLib.explain.occlusion.cubes import Triple
from LesionLensLib.explain.occlusion.occluder import Unsupported
from LesionLensLib.explain.occlusion.plane_maxima import PlaneMaxima, highest_of
from LesionLensLib.networks.chmfl_blocks import Branch

REACH = 2
"""How many voxels a voxel reaches through the first convolution of 5 x 5 x 5."""
MOST_RESPONSES = 32
"""Up to so many values in a cube the first convolution is a product with their responses; measured against conv3d."""


@dataclass(frozen=True, eq=False)
class Level:
    """The features of a level before (`sums`) and after (`values`) the activation, as tables, and their maxima.

    `matrix` (8 C, width) is the `weight` of a convolution of 2 x 2 x 2 as a product takes it.
    """

    weight: Tensor
    matrix: Tensor
    cells: Cells
    sums: Tensor
    values: Tensor
    maxima: PlaneMaxima


@dataclass(frozen=True, eq=False)
class Change:
    """What cubes change in a branch: `maxima` (B, width of all levels), and the deepest features.

    `deepest` (B, C, *cells) is the difference of the features from the cell `first` (B, 3) on.
    """

    maxima: Tensor
    deepest: Tensor
    first: Tensor


class OccludedBranch:
    """`encoder` with batch norm at rest, and what it makes of `image` (1, inputs, D, H, W).

    Raises `Unsupported` for a normalisation that takes statistics of the whole image.
    """

    def __init__(self, encoder: Branch, image: Tensor) -> None:
        self.levels: list[Level] = []
        features = image
        for number, block in enumerate(encoder.levels):
            weight, bias = folded(block)
            layout = weight.contiguous(memory_format=torch.channels_last_3d)
            sums = conv3d(features, layout, bias, 2) if number else conv3d(features, layout, bias, padding=REACH)
            cells = Cells(sums.shape[2:], sums.device)
            table = cells.table(sums)
            values = elu(table)
            features = cells.volume(values)
            matrix = layout.permute(2, 3, 4, 1, 0).flatten(0, 3).contiguous()
            self.levels.append(Level(layout, matrix, cells, table, values, PlaneMaxima(features)))
        self.multiple = 2 ** (len(self.levels) - 1)

    def cells_of(self, size: Triple) -> int:
        """Return how many numbers a cube of `size` changes at the first level."""
        depth, height, width = (side + 2 * REACH for side in size)
        return depth * height * width * int(self.levels[0].weight.shape[0])

    def responses(self, size: Triple) -> Tensor | None:
        """Return what each value of a cube adds to the first level, (values, C * cells), None for a large cube."""
        weight = self.levels[0].weight
        values = int(weight.shape[1]) * size[0] * size[1] * size[2]
        if values > MOST_RESPONSES:
            return None
        impulses = torch.eye(values, dtype=weight.dtype, device=weight.device).view(values, -1, *size)
        return _spread(impulses, weight).permute(0, 2, 3, 4, 1).flatten(1).contiguous()

    def change(self, differences: Tensor, starts: Tensor, responses: Tensor | None = None) -> Change:
        """Return what cubes at `starts` (B, 3), which change the image by `differences` (B, inputs, *size), change.

        The more alike `starts` are modulo powers of two up to `multiple`, the fewer cells are computed.
        """
        size = differences.shape[2:]
        counts: Triple = (size[0] + 2 * REACH, size[1] + 2 * REACH, size[2] + 2 * REACH)
        first = starts - REACH
        if responses is None:
            added = _spread(differences, self.levels[0].weight)
        else:
            added = (differences.flatten(1) @ responses).view(len(starts), *counts, -1).permute(0, 4, 1, 2, 3)
        maxima, changed = [], added
        for number, level in enumerate(self.levels):
            if number:
                added, first, counts = _halved(changed, first, counts, level)
            sums, before = level.cells.patches((level.sums, level.values), first, counts)
            values = elu(sums.add_(added), inplace=True)
            highest = torch.maximum(highest_of(values), level.maxima.outside(first, counts))
            maxima.append(highest - level.maxima.highest)
            changed = values.sub_(before)
        return Change(torch.cat(maxima, 1), changed, first)


def folded(block: nn.Module) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a convolution and the batch norm behind it; raises `Unsupported` for other norms."""
    convolution, norm, activation = block.children()
    if isinstance(norm, nn.BatchNorm3d) and isinstance(convolution, nn.Conv3d):
        convolution = fuse_conv_bn_eval(convolution, norm)
    elif not isinstance(norm, nn.Identity) or not isinstance(convolution, nn.Conv3d):
        raise Unsupported("its group normalisation lets every cube change every voxel")
    if not isinstance(activation, nn.ELU) or activation.alpha != 1 or convolution.bias is None:
        raise Unsupported("its layers are not those of CHMFL")
    return convolution.weight.detach(), convolution.bias.detach()


def _spread(differences: Tensor, weight: Tensor) -> Tensor:
    """Return what `differences` (B, inputs, *size) add to the first level, REACH cells more on each side."""
    around = pad(differences, (2 * REACH,) * 6).contiguous(memory_format=torch.channels_last_3d)
    return conv3d(around, weight)


def _halved(changed: Tensor, first: Tensor, counts: Triple, level: Level) -> tuple[Tensor, Tensor, Triple]:
    """Return what `changed` cells from `first` on add to the next level, where that begins, and its cells."""
    offsets = first % 2
    alike = bool((offsets == offsets[0]).all())
    most = offsets[0].tolist() if alike else (1, 1, 1)
    depth, height, width = (-(-(offset + count) // 2) for offset, count in zip(most, counts, strict=True))
    halves: Triple = (depth, height, width)
    sides = [2 * half for half in halves]
    if sides == list(counts):
        return _convolved(changed.permute(0, 2, 3, 4, 1), level), first // 2, halves
    whole = changed.new_zeros(len(changed), *sides, changed.shape[1])
    if alike:
        d, h, w = (slice(offset, offset + count) for offset, count in zip(most, counts, strict=True))
        whole[:, d, h, w] = changed.permute(0, 2, 3, 4, 1)
    else:
        rows = _rows_within(offsets, counts, sides)
        whole.view(-1, changed.shape[1])[rows] = changed.permute(0, 2, 3, 4, 1).reshape(len(rows), -1)
    return _convolved(whole, level), first // 2, halves


def _convolved(whole: Tensor, level: Level) -> Tensor:
    """Return the convolution of `whole` (B, 2 D', 2 H', 2 W', C) as (B, width, D', H', W').

    On a single row of blocks a plain product takes half the time of oneDNN's convolution.
    """
    boxes, depth, height, width, channels = whole.shape
    if min(depth, height, width) > 2:
        return conv3d(whole.permute(0, 4, 1, 2, 3), level.weight, stride=2)
    blocks = whole.view(boxes, depth // 2, 2, height // 2, 2, width // 2, 2, channels).permute(0, 1, 3, 5, 2, 4, 6, 7)
    product = blocks.reshape(-1, 8 * channels) @ level.matrix
    return product.view(boxes, depth // 2, height // 2, width // 2, -1).permute(0, 4, 1, 2, 3)


def _rows_within(offsets: Tensor, counts: Triple, sides: list[int]) -> Tensor:
    """Return the rows (B * cells,) of patches of `counts` cells at `offsets` (B, 3) in boxes of `sides` cells."""
    depth, height, width = (
        offsets[:, axis, None] + torch.arange(count, device=offsets.device) for axis, count in enumerate(counts)
    )
    box = torch.arange(len(offsets), device=offsets.device)[:, None] * sides[0]
    planes = (box + depth)[:, :, None] * sides[1] + height[:, None, :]
    return (planes[..., None] * sides[2] + width[:, None, None, :]).flatten()
