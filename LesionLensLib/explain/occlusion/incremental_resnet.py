"""Exact occlusion of the attention ResNet: what a cube cannot change, or changes in a known way, is not computed again.

How far that goes depends on the norm. With batch norm, stem and blocks change around the cube only, up to the first
self-attention, which is corrected for the changed voxels; behind it every voxel differs and the rest is a full pass.
With group norm, whose statistics every cube moves, only the stem is saved. Everything runs on the folded network.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from LesionLensLib.explain.occlusion.changed_attention import ChangedAttention
from LesionLensLib.explain.occlusion.changed_map import Patch, pasted
from LesionLensLib.explain.occlusion.cover import Cover
from LesionLensLib.explain.occlusion.local_block import LocalBlock
from LesionLensLib.explain.occlusion.occluder import Unsupported
from LesionLensLib.explain.occlusion.patch_occluder import WORTH_CUTTING_OUT, PatchOccluder
from LesionLensLib.explain.occlusion.resnet_stem import POOL, GroupNormStem, LocalStem
from LesionLensLib.explain.question import Question
from LesionLensLib.inference.folded_resnet3d import FoldedSelfAttention, fold
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.networks.self_attention import SelfAttention

WORTH_CORRECTING = 1 / 6
"""Attention is corrected for so many of its voxels; it takes three times their part of all pairs of voxels."""


class ResnetOccluder(PatchOccluder):
    """`network` asked for the score of `question`, with everything kept that its unoccluded image gives.

    Raises `Unsupported` for a network that is not in single precision.
    """

    def __init__(self, question: Question, network: ResNet3d, cover: Cover) -> None:
        super().__init__(question, cover)
        if network.classifier.weight.dtype != torch.float32:
            raise Unsupported("its weights are not float32")
        with torch.inference_mode():
            self.network = fold(network)
            self.blocks = list(self.network.blocks())
            self.stem = self._stem()
            self.local: list[LocalBlock] = []
            self.attention: ChangedAttention | None = None
            self.stride = self.network.stem.conv.stride[0] * POOL.stride
            if isinstance(self.stem, LocalStem):
                self._cut_out_blocks(self.stem)
            self.base = float(self.score(self.network(cover.image))[0])

    @property
    def whole_map(self) -> Tensor:
        """What enters the first block."""
        return self.stem.values

    def output(self, patch: Patch) -> Tensor:
        """Return the output (B, classes)."""
        features = self._features(patch)
        for block in self.blocks[len(self.local) :]:
            features = block(features)
        return self.network.head(features)

    def _stem(self) -> LocalStem | GroupNormStem:
        convolution, norm = self.network.stem.conv, self.network.stem.norm
        if isinstance(norm, nn.GroupNorm):
            return GroupNormStem(convolution, norm, self.cover.image)
        return LocalStem(convolution, self.cover.image)

    def _cut_out_blocks(self, stem: LocalStem) -> None:
        """Keep those blocks that a cube changes a small part of, up to the first self-attention."""
        counts = POOL.most(stem.convolved.kernel.most(self.cover.size))
        features = stem.values
        for block in self.blocks:
            local = LocalBlock(block, features)
            counts = local.second.kernel.most(local.first.kernel.most(counts))
            if prod(counts) > WORTH_CUTTING_OUT * local.values[0, 0].numel():
                return
            self.local.append(local)
            self.stride *= local.first.kernel.stride
            features = local.values
            if isinstance(block.attention, SelfAttention | FoldedSelfAttention):
                if prod(counts) <= WORTH_CORRECTING * features[0, 0].numel():
                    self.attention = ChangedAttention(block.attention, features)
                return

    def _features(self, patch: Patch) -> Tensor:
        """Return what enters the first block that runs in full."""
        if isinstance(self.stem, GroupNormStem):
            return self.stem.outputs(patch)
        patch = self.stem.change(patch)
        for block in self.local:
            patch = block.change(patch)
        if self.attention is not None:
            return self.attention.attended(patch)
        if not self.local:
            return pasted(self.stem.values, patch)
        attended: Tensor = self.blocks[len(self.local) - 1].attention(pasted(self.local[-1].values, patch))
        return attended
