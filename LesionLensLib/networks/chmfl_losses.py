"""The loss of CHMFL: outcome and outline of the tumour, balanced by one weight.

Peng et al., arXiv 2104.11416, equation 1: L = (1 - w) CE(outcome) + w CE(voxels), w = 0.5 in the paper's best run. The
equation as printed sums p log q over the voxels of a binary annotation, that is over tumour voxels only, which a
network meets by calling everything tumour; the text says "pixel-wise cross-entropy", and that is taken here.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from LesionLensLib.networks.chmfl import ChmflOutput
from LesionLensLib.networks.losses import IGNORED

REDUCTIONS = ("mean", "sum")


class LossTerms(NamedTuple):
    """`total` is what is minimised; the two terms are unweighted, None where w left them out."""

    total: Tensor
    outcome: Tensor | None
    voxels: Tensor | None


def outcome_loss(logits: Tensor, outcome: Tensor) -> Tensor:
    """Return the mean cross-entropy over the patients, in float32.

    `logits` is (N, 2); `outcome` (N,) holds 0, 1, or -100 where it is unknown. The loss is 0, with a zero gradient,
    when no outcome is known.
    """
    wanted = outcome.long()
    total = cross_entropy(logits.float(), wanted, ignore_index=IGNORED, reduction="sum")
    return total / (wanted != IGNORED).sum().clamp(min=1)


def voxel_loss(logits: Tensor, mask: Tensor, reduction: str = "mean", ignore: Tensor | None = None) -> Tensor:
    """Return the cross-entropy of the voxels, in float32.

    `logits` is (N, 2, D, H, W); `mask` (N, D, H, W) holds 0 or 1; `ignore`, of the same shape, is true where a voxel
    does not count. "mean" is over all voxels that count; "sum", the N of equation 1 to the letter, adds up the voxels
    of a patient and is the mean over the patients. The loss is 0, with a zero gradient, when no voxel counts.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {REDUCTIONS}, not {reduction!r}")
    wanted = mask.long()
    if ignore is not None:
        wanted = wanted.masked_fill(ignore, IGNORED)
    total = cross_entropy(logits.float(), wanted, ignore_index=IGNORED, reduction="sum")
    return total / (logits.shape[0] if reduction == "sum" else (wanted != IGNORED).sum().clamp(min=1))


def chmfl_loss(
    output: ChmflOutput,
    outcome: Tensor | None,
    mask: Tensor | None,
    w: float = 0.5,
    reduction: str = "mean",
    ignore: Tensor | None = None,
) -> LossTerms:
    """Return (1 - w) outcome loss + w voxel loss and both terms; shapes as in the two functions above.

    A term whose weight is 0 is not computed: it leaves no gradient anywhere, and its target may be None. Raises
    `ValueError` for a `w` outside 0..1, and where a term that counts lacks its target or the decoder.
    """
    if not 0 <= w <= 1:
        raise ValueError(f"w is a weight between 0 and 1, not {w}")
    outcomes = voxels = None
    terms: list[Tensor] = []
    if w < 1:
        if outcome is None:
            raise ValueError(f"with w = {w} the outcome counts, but there is none")
        outcomes = outcome_loss(output.outcome, outcome)
        terms.append((1 - w) * outcomes)
    if w > 0:
        if output.mask is None:
            raise ValueError(f"with w = {w} the voxels count, but the network has no decoder")
        if mask is None:
            raise ValueError(f"with w = {w} the voxels count, but there is no mask")
        voxels = voxel_loss(output.mask, mask, reduction, ignore)
        terms.append(w * voxels)
    return LossTerms(torch.stack(terms).sum(), outcomes, voxels)
