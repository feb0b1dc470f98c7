"""What a `ResNet3d` attends to: the self-attention of chosen voxels, and the spatial gate of CBAM.

A feature voxel f of a stage is centred on the image voxel stride * f, where stride is `stage_stride(stage)`: every
layer pads half its kernel, so that a map lies on the grid with the image's origin and directions and a spacing that is
stride times as wide.
"""

from __future__ import annotations

from torch import Tensor

from LesionLensLib.networks.cbam import Cbam
from LesionLensLib.networks.resnet3d import ResidualBlock, ResNet3d
from LesionLensLib.networks.self_attention import SelfAttention


def stage_stride(stage: int) -> int:
    """Return the image voxels between two feature voxels of `stage` 0, 1, 2 or 3: 4, 8, 16 or 32."""
    return 4 << stage


def nearest_feature(voxels: Tensor, stage: int, size: tuple[int, ...]) -> Tensor:
    """Return the feature voxels (Q, 3) of `stage` nearest to image voxels `voxels` (Q, 3), in an image of `size`.

    Both are indices (d, h, w); `voxels` may lie between voxels. The last feature voxel serves what lies behind it.
    """
    stride = stage_stride(stage)
    nearest = (voxels.double() / stride).round().long()
    for axis, length in enumerate(size):
        nearest[:, axis].clamp_(0, -(-length // stride) - 1)
    return nearest


def self_attention_maps(network: ResNet3d, images: Tensor, stage: int, block: int, targets: Tensor) -> Tensor:
    """Return what `targets` attend to after residual block `block` of `stage`: (N, Q, d, h, w), each map sums to 1.

    `images` is (N, C, D, H, W); `targets` (Q, 3) are feature voxels of that stage (`nearest_feature`); stages and
    blocks count from 0. The block adds `gain` times the attention to its input, so that maps of a block whose gain is
    near 0 mean little. Raises `ValueError` where the network has no such self-attention.
    """
    wanted = _block(network, stage, block)
    if not isinstance(wanted.attention, SelfAttention):
        raise ValueError("this network has no self-attention of which a map could be shown")
    x = network.stem_features(images)
    for present in network.blocks():
        if present is wanted:
            break
        x = present(x)
    return wanted.attention.maps_of(wanted.residual(x), targets)


def spatial_gate_map(network: ResNet3d, images: Tensor) -> Tensor:
    """Return CBAM's gate of each voxel in (0, 1), (N, 1, d, h, w) on the grid of stage 3, for `images` (N, C, D, H, W).

    Raises `ValueError` for a network without CBAM.
    """
    if not isinstance(network.cbam, Cbam):
        raise ValueError("this network has no CBAM of which a map could be shown")
    return network.cbam.spatial_map(network.features(images))


def _block(network: ResNet3d, stage: int, block: int) -> ResidualBlock:
    stages = [list(part.children()) for part in network.stages]
    if not (0 <= stage < len(stages) and 0 <= block < len(stages[stage])):
        raise ValueError(f"this network has no block {block} in stage {stage}")
    found = stages[stage][block]
    if not isinstance(found, ResidualBlock):
        raise TypeError(f"stage {stage} holds a {type(found).__name__}")
    return found
