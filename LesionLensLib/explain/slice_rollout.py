"""Slice attention of RSANet: the map of every pass, and what all of them together gather for a lesion.

The roll-out is that of Abnar and Zuidema (ACL 2020) with the maps between slices of Zhang et al. (MICCAI 2019): half of
a voxel's relevance stays, half goes to the voxels at the same place in the slices that its own slice attends to, axis
by axis, and at the decoder half of it goes along the skip connection, half down to the centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from LesionLensLib.explain.layers.placement import Placement
from LesionLensLib.explain.layers.rsanet import DEEPEST, rsanet_layers, stem
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import MaskReadout
from LesionLensLib.images.volume import Volume
from LesionLensLib.networks.rsanet import RSANet
from LesionLensLib.networks.slice_attention import AXES, SliceAttention

RESIDUAL_SHARE = 0.5
HALVED = Placement((2, 2, 2))
Relevance = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SliceMap:
    """What slice s takes from every slice: row s of `weights` (slices, slices), which sums to 1.

    Slice n of the block's grid is centred on slice `stride` * n of the image, along `orientation`; `alpha` is the
    weight of the pass.
    """

    block: str
    orientation: str
    stride: int
    alpha: float
    weights: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SliceRollout:
    """The roll-out as a `map` on the grid of the image, and the maps it is made of, in the order of the pass."""

    map: Volume
    slices: tuple[SliceMap, ...]


def slice_rollout(question: Question) -> SliceRollout:
    """Return where the slice attentions of an RSANet gather from for the mask that is explained.

    Raises `ValueError` for more than one network, other networks, ones without slice attention, and other readouts.
    """
    network, readout = question.networks[0], question.readout
    if len(question.networks) > 1 or not isinstance(network, RSANet) or not isinstance(readout, MaskReadout):
        raise ValueError("slice attention is rolled out for a lesion that one RSANet outlines")
    placed = {layer.name: layer for layer in rsanet_layers(network, question.grid.shape)}
    maps = slice_maps(network, question.image)
    if not maps:
        raise ValueError("this network has no slice attention")
    fine, centre = placed["decoder 4"], placed["centre"]
    mask = readout.mask.double().cpu().numpy()
    relevance = _through(maps, "decoder 4", fine.placement.gather(mask / mask.sum(), fine.size))
    deeper = _through(maps, "centre", HALVED.gather(relevance / 2, centre.size))
    relevance = _through(maps, "encoder 4", relevance / 2 + HALVED.spread(deeper, fine.size))
    return SliceRollout(Volume(fine.placement.enlarge(relevance, question.grid.shape), question.grid), maps)


@torch.no_grad()
def slice_maps(network: RSANet, image: Tensor) -> tuple[SliceMap, ...]:
    """Return the map of every pass for `image` (1, C, D, H, W); empty for a network without slice attention."""
    seen: list[tuple[str, int, nn.Module, Tensor]] = []
    x = stem(network, image)
    for level in range(DEEPEST):
        x = network.down[level](network.encoder[level](x))
    own = network.encoder[DEEPEST](x)
    seen.append(("encoder 4", 8, network.encoder_attention, own))
    skip = network.encoder_attention(own)
    own = network.centre(network.down[DEEPEST](skip))
    seen.append(("centre", 16, network.centre_attention, own))
    doubled = network.up[DEEPEST](network.centre_attention(own), tuple(skip.shape[2:]))
    own = network.decoder[DEEPEST](torch.cat([skip, doubled], 1))
    seen.append(("decoder 4", 8, network.decoder_attention, own))
    return tuple(each for block in seen for each in _maps_of_block(*block))


def _maps_of_block(name: str, stride: int, block: nn.Module, x: Tensor) -> list[SliceMap]:
    if not isinstance(block, SliceAttention):
        return []
    alphas = dict(zip(AXES, block.alpha.tolist(), strict=True))
    return [
        SliceMap(name, orientation, stride, alphas[orientation], weights[0].cpu().numpy())
        for orientation, weights in block.maps_of(x).items()
    ]


def _through(maps: tuple[SliceMap, ...], block: str, relevance: Relevance) -> Relevance:
    """Return the relevance (d, h, w) of what enters `block`, from that of its output: the passes in reverse."""
    for each in reversed([one for one in maps if one.block == block]):
        axis = AXES[each.orientation] - 2
        gathered = np.moveaxis(np.tensordot(each.weights.T.astype(np.float64), relevance, (1, axis)), 0, axis)
        relevance = RESIDUAL_SHARE * relevance + (1 - RESIDUAL_SHARE) * gathered
    return relevance
