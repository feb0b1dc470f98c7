"""Training losses for two-class lesion segmentation.

The weighted cross-entropy is RSANet's (Zhang et al., MICCAI 2019, section 3.1). The soft Dice loss and the sum of both
are an addition of LesionLens and are not in that paper.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

READINGS = ("intent", "literal")
IGNORED = -100


def class_weights(lesion_share: float, reading: str = "intent") -> tuple[float, float]:
    """Return the weights (background, lesion) for a share `lesion_share` of lesion voxels, between 0 and 1.

    The paper prints e^r / (e^r + e^(1-r)) for the lesion, which is 0.2691 for its r = 5.15e-4 and therefore favours the
    background ("literal"). "intent" swaps the two, as the text around the formula asks.
    """
    if reading not in READINGS:
        raise ValueError(f"reading must be one of {READINGS}, not {reading!r}")
    if not 0 <= lesion_share <= 1:
        raise ValueError(f"lesion_share is a fraction between 0 and 1, not {lesion_share}")
    small = math.exp(lesion_share)
    large = math.exp(1 - lesion_share)
    low, high = small / (small + large), large / (small + large)
    return (low, high) if reading == "intent" else (high, low)


def weighted_cross_entropy(
    logits: Tensor,
    target: Tensor,
    lesion_share: float,
    reading: str = "intent",
    ignore: Tensor | None = None,
) -> Tensor:
    """Return the weighted mean cross-entropy, sum(w l) / sum(w), in float32.

    `logits` is (N, 2, D, H, W); `target` (N, D, H, W) holds 0 or 1; `ignore` (N, D, H, W) is true where a voxel does
    not count. The result is 0, with a zero gradient, when no voxel counts.
    """
    weight = torch.tensor(class_weights(lesion_share, reading), device=logits.device)
    wanted = target.long()
    if ignore is not None:
        if bool(ignore.all()):
            return logits.float().sum() * 0.0
        wanted = wanted.masked_fill(ignore, IGNORED)
    return cross_entropy(logits.float(), wanted, weight, ignore_index=IGNORED)


def soft_dice_loss(logits: Tensor, target: Tensor, ignore: Tensor | None = None, smooth: float = 1.0) -> Tensor:
    """Return 1 - soft Dice of the lesion class, pooled over the voxels of the batch (LesionLens's addition).

    Shapes as in `weighted_cross_entropy`; `smooth` voxels are added to both sides of the fraction, so that a batch
    without lesion and without response costs nothing.
    """
    probability = logits.float().softmax(1)[:, 1]
    lesion = target.to(probability.dtype)
    if ignore is not None:
        counted = (~ignore).to(probability.dtype)
        probability, lesion = probability * counted, lesion * counted
    overlap = (probability * lesion).sum()
    return 1 - (2 * overlap + smooth) / (probability.sum() + lesion.sum() + smooth)


def combined_loss(
    logits: Tensor,
    target: Tensor,
    lesion_share: float,
    reading: str = "intent",
    ignore: Tensor | None = None,
    dice_weight: float = 1.0,
) -> Tensor:
    """Return weighted cross-entropy + `dice_weight` * soft Dice loss (LesionLens's addition; 0 is the paper's loss)."""
    loss = weighted_cross_entropy(logits, target, lesion_share, reading, ignore)
    if dice_weight == 0:
        return loss
    return loss + dice_weight * soft_dice_loss(logits, target, ignore)
