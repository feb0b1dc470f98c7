"""What networks attend to by themselves: one map whatever kind of attention they have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from LesionLensLib.errors import UserError
from LesionLensLib.explain.layers.chain import resnet_layers
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import MaskReadout
from LesionLensLib.explain.rollout import rollout
from LesionLensLib.explain.slice_rollout import slice_rollout
from LesionLensLib.images.volume import Volume
from LesionLensLib.networks.attention_maps import spatial_gate_map
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.networks.rsanet import RSANet
from LesionLensLib.networks.slice_attention import SliceAttention

NEITHER = "Use occlusion, SMOCAM or Grad-CAM, which work without attention, or features."


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """The `map` on the grid of the image, never negative, and one sentence on what it is."""

    map: Volume
    text: str


def attention_map(question: Question) -> AttentionMap:
    """Return the attention of the question's networks: self-attention rolled out, CBAM's gate, or slice attention.

    Raises `UserError` for networks without attention, and for slice attention where no lesion is explained.
    """
    network = question.networks[0]
    if isinstance(network, ResNet3d) and network.attention == "self":
        found = rollout(question)
        return AttentionMap(found.map, found.text)
    if isinstance(network, ResNet3d) and network.attention == "cbam":
        text = "The gate of CBAM lets pass what is near 1 and silences what is near 0."
        return AttentionMap(gate_map(question), text)
    if isinstance(network, RSANet) and isinstance(question.readout, MaskReadout) and _has_slice_attention(network):
        text = "Slice attention gathers for this lesion from what the map shows; it follows slices, not outlines."
        return AttentionMap(slice_rollout(question).map, text)
    raise UserError(f"A {type(network).__name__} of this kind has no attention to show.", NEITHER)


def gate_map(question: Question) -> Volume:
    """Return the mean gate of CBAM over the networks, between 0 and 1, on the grid of the image."""
    size, maps = question.grid.shape, []
    for network in question.networks:
        if not isinstance(network, ResNet3d):
            raise ValueError(f"a {type(network).__name__} has no CBAM")
        with torch.no_grad():
            gate = spatial_gate_map(network, question.image)[0, 0].cpu().numpy()
        maps.append(resnet_layers(network, size)[-1].placement.enlarge(gate, size))
    return Volume(np.stack(maps).mean(0), question.grid)


def _has_slice_attention(network: RSANet) -> bool:
    return any(isinstance(block, SliceAttention) for block in network.modules())
