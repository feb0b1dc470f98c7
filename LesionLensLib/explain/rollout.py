"""Attention roll-out: what the self-attentions of all blocks together gather for the answer, as one map.

Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, section 3: the relevance of tokens goes
backwards through every block, half of it past the attention (the residual path) and half along its weights. For a
convolutional network this is an extension of ours: convolutions are taken to keep a voxel's place, and between two
stages the relevance of a voxel goes to those around its centre in the finer grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from LesionLensLib.explain.layers.chain import resnet_layers
from LesionLensLib.explain.layers.placement import Placement
from LesionLensLib.explain.question import Question
from LesionLensLib.images.volume import Volume
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.networks.self_attention import SelfAttention

RESIDUAL_SHARE = 0.5
ENTRIES_AT_ONCE = 1 << 22
"""So many weights of the voxels x voxels map are held at a time (16 MB)."""

HALVED = Placement((2, 2, 2))
Relevance = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rollout:
    """The `map` on the grid of the image, and by how much each block's attention changes its features.

    `strengths` are norms of what the attention adds over those of what it gets, in the order of the pass, averaged over
    networks. Where they are near 0 the network hardly uses its attention and the map means as little.
    """

    map: Volume
    strengths: tuple[float, ...]

    @property
    def text(self) -> str:
        """One sentence for people."""
        words = ", ".join(f"{strength:.1%}" for strength in self.strengths)
        return f"The attention of the blocks changes their features by {words}; a map of small changes means little."


def rollout(question: Question) -> Rollout:
    """Return the roll-out of networks with self-attention from their average pooling back to the first block.

    Averaged over the networks. Raises `ValueError` for networks without self-attention, or folded ones.
    """
    maps, strengths = [], []
    for network in question.networks:
        if not isinstance(network, ResNet3d):
            raise ValueError(f"a {type(network).__name__} has no self-attention to roll out")
        relevance, own = relevance_of(network, question.image)
        placement = resnet_layers(network, question.grid.shape)[0].placement
        maps.append(placement.enlarge(relevance, question.grid.shape))
        strengths.append(own)
    return Rollout(Volume(np.stack(maps).mean(0), question.grid), tuple(np.mean(strengths, 0).tolist()))


@torch.no_grad()
def relevance_of(network: ResNet3d, image: Tensor) -> tuple[Relevance, list[float]]:
    """Return the relevance (d, h, w) of what enters the first block, which sums to 1, and each block's strength."""
    x, attended, strengths = network.stem_features(image), [], []
    for block in network.blocks():
        if not isinstance(block.attention, SelfAttention):
            raise ValueError("attention is rolled out in networks with self-attention that were not folded")
        own = block.residual(x)
        x = block.attention(own)
        attended.append((block.attention, own))
        added = x if block.attention.gain is None else x - own
        strengths.append(float(torch.linalg.vector_norm(added) / torch.linalg.vector_norm(own).clamp(min=1e-30)))
    relevance = np.full(x.shape[2:], 1 / x[0, 0].numel())
    for attention, own in reversed(attended):
        if own.shape[2:] != relevance.shape:
            relevance = HALVED.spread(relevance, own.shape[2:])
        relevance = _through(attention, own, relevance)
    return relevance, strengths


def _through(attention: SelfAttention, x: Tensor, relevance: Relevance) -> Relevance:
    """Return the relevance of the voxels that enter `attention` as `x` (1, C, d, h, w) from that of its output."""
    targets = torch.stack(torch.meshgrid(*(torch.arange(side) for side in x.shape[2:]), indexing="ij"), -1).view(-1, 3)
    weights = torch.from_numpy(relevance).to(x.device, torch.float32).flatten()
    gathered = torch.zeros(x.shape[2:], device=x.device)
    rows = max(1, ENTRIES_AT_ONCE // len(targets))
    for first in range(0, len(targets), rows):
        maps = attention.maps_of(x, targets[first : first + rows])[0]
        gathered += torch.tensordot(weights[first : first + rows], maps, 1)
    kept = 0.0 if attention.gain is None else RESIDUAL_SHARE
    return kept * relevance + (1 - kept) * gathered.double().cpu().numpy()
