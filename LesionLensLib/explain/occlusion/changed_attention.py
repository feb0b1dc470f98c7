"""Self-attention between all voxels when only some of them change.

For a voxel j that stays, numerator and denominator of its softmax lose what the changed voxels gave and gain what they
give now; voxels that change themselves are computed anew. That is 3 m of the N pairs of each voxel for m changed ones.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention

from LesionLensLib.explain.occlusion.cells import clipped
from LesionLensLib.explain.occlusion.changed_map import Patch
from LesionLensLib.inference.folded_resnet3d import FoldedSelfAttention
from LesionLensLib.networks.non_local import as_tokens
from LesionLensLib.networks.self_attention import SelfAttention

TARGETS_AT_ONCE = 2048
"""So many rows of the map are computed together, which keeps them in a core's cache."""
MOST_LOST = 0.9
"""A voxel that loses more of its denominator is computed anew: the rest would be a difference of like numbers."""


class ChangedAttention:
    """`block` and what it makes of `features` (1, C, D, H, W)."""

    def __init__(self, block: SelfAttention | FoldedSelfAttention, features: Tensor) -> None:
        self.block, self.features = block, features
        self.tokens = as_tokens(features)[0, 0]
        self.targets, self.sources, self.values = self._projected(self.tokens)
        self.highest = self.targets.new_empty(len(self.targets))
        self.total = torch.empty_like(self.highest)
        self.mixed = self.values.new_empty(len(self.targets), self.values.shape[1])
        for part in self._parts():
            logits = self.targets[part] @ self.sources.T
            self.highest[part] = logits.amax(1)
            weights = logits.sub_(self.highest[part, None]).exp_()
            self.total[part] = weights.sum(1)
            self.mixed[part] = weights @ self.values

    def attended(self, patch: Patch) -> Tensor:
        """Return the output (B, C, D, H, W) with each patch of the input changed."""
        voxels = torch.arange(len(self.tokens), device=self.tokens.device).view(self.features.shape[2:])
        outputs = []
        for changed, first in zip(patch.changed, patch.first.tolist(), strict=True):
            inside, outside = clipped(first, patch.counts, self.features.shape[2:])
            rows, moved = voxels[inside].flatten(), changed[:, *outside].flatten(1).T
            touched = moved.any(1)
            rows = rows[touched]
            tokens = self.tokens.clone()
            tokens[rows] += moved[touched]
            outputs.append(self._finished(tokens, self._mixed(rows, tokens[rows])))
        return torch.stack(outputs).transpose(1, 2).reshape(-1, *self.features.shape[1:])

    def _mixed(self, rows: Tensor, tokens: Tensor) -> Tensor:
        """Return the mixture of values (N, E) at each voxel when those of `rows` (m,) become `tokens` (m, C)."""
        new_targets, new_sources, new_values = self._projected(tokens)
        mixed = torch.empty_like(self.mixed)
        weak = torch.zeros(len(self.tokens), dtype=torch.bool, device=rows.device)
        weak[rows] = True
        old_sources, old_values = self.sources[rows], self.values[rows]
        for part in self._parts():
            targets, highest, total = self.targets[part], self.highest[part], self.total[part]
            lost = (targets @ old_sources.T).sub_(highest[:, None]).exp_()
            logits = targets @ new_sources.T
            now = torch.maximum(highest, logits.amax(1)) if len(rows) else highest
            gained = logits.sub_(now[:, None]).exp_()
            scale, left = (highest - now).exp(), total - lost.sum(1)
            weak[part] |= left < (1 - MOST_LOST) * total
            sums = (self.mixed[part] - lost @ old_values) * scale[:, None] + gained @ new_values
            mixed[part] = sums / (left * scale + gained.sum(1))[:, None]
        targets = self.targets.index_copy(0, rows, new_targets)[weak]
        sources, values = (
            whole.index_copy(0, rows, part) for whole, part in ((self.sources, new_sources), (self.values, new_values))
        )
        anew = scaled_dot_product_attention(targets[None, None], sources[None, None], values[None, None], scale=1.0)
        mixed[weak] = anew[0, 0]
        return mixed

    def _parts(self) -> list[slice]:
        return [slice(low, low + TARGETS_AT_ONCE) for low in range(0, len(self.tokens), TARGETS_AT_ONCE)]

    def _projected(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the logits of voxel j and voxel i are the product of, and what is mixed."""
        block = self.block
        if isinstance(block, FoldedSelfAttention):
            return linear(tokens, block.probe, block.probe_bias), tokens, tokens
        return block.key(tokens) * block.scale, block.query(tokens), block.value(tokens)

    def _finished(self, tokens: Tensor, mixed: Tensor) -> Tensor:
        block = self.block
        if isinstance(block, FoldedSelfAttention):
            attended = linear(mixed, block.mixing, block.mixing_bias)
            return tokens + attended if block.residual else attended
        projected: Tensor = block.output(mixed)
        return projected if block.gain is None else tokens + block.gain * projected
