"""Exact occlusion of the VGG-style regression: its blocks are computed around the cube as long as that is a small part.

Batch norm at rest is part of the convolutions, and all layers before the flattening are local.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from LesionLensLib.explain.occlusion.changed_map import ConvolvedMap, Kernel, Patch, PooledMap, RectifiedMap, pasted
from LesionLensLib.explain.occlusion.cover import Cover
from LesionLensLib.explain.occlusion.cubes import Triple
from LesionLensLib.explain.occlusion.occluder import Unsupported
from LesionLensLib.explain.occlusion.patch_occluder import WORTH_CUTTING_OUT, PatchOccluder
from LesionLensLib.explain.question import Question
from LesionLensLib.inference.folding import fold_batch_norms
from LesionLensLib.networks.vgg3d import Vgg3d

HALVING = Kernel(2, 2, 0)


class LocalStage:
    """A folded block of convolutions, each with its ReLU, and a pooling, and what it makes of `features`."""

    def __init__(self, stage: nn.Sequential, features: Tensor) -> None:
        *layers, pool = stage
        self.layers: list[tuple[ConvolvedMap, RectifiedMap]] = []
        for layer in layers:
            if isinstance(layer, nn.Conv3d):
                convolved = ConvolvedMap(layer, features)
                self.layers.append((convolved, RectifiedMap(convolved.sums)))
                features = self.layers[-1][1].values
            elif not isinstance(layer, nn.Identity | nn.ReLU):
                raise Unsupported(f"its blocks contain {type(layer).__name__}")
        if not isinstance(pool, nn.MaxPool3d) or (pool.kernel_size, pool.stride, pool.padding) != (2, 2, 0):
            raise Unsupported("its blocks do not end with a pooling that halves the grid")
        self.pooled = PooledMap(features, HALVING)
        self.values = self.pooled.values

    def most(self, counts: Triple) -> Triple:
        """Return how many cells of the pooled map a patch of `counts` cells changes at most."""
        for convolved, _ in self.layers:
            counts = convolved.kernel.most(counts)
        return self.pooled.kernel.most(counts)

    def change(self, patch: Patch) -> Patch:
        """Return what changes in the pooled map."""
        for convolved, rectified in self.layers:
            patch = rectified.change(convolved.added(patch))
        return self.pooled.change(patch)


class VggOccluder(PatchOccluder):
    """`network` asked for the score of `question`, with everything kept that its unoccluded image gives.

    Raises `Unsupported` for a network of other layers, and where a cube changes most of the first block.
    """

    def __init__(self, question: Question, network: Vgg3d, cover: Cover) -> None:
        super().__init__(question, cover)
        if network.output.weight.dtype != torch.float32:
            raise Unsupported("its weights are not float32")
        with torch.inference_mode():
            folded = fold_batch_norms(network)
            if not isinstance(folded, Vgg3d):
                raise ValueError("folding keeps the kind of a network")
            self.network, self.blocks = folded, list(folded.blocks())
            self.local: list[LocalStage] = []
            counts, features = cover.size, cover.image
            for block in self.blocks:
                stage = LocalStage(block, features)
                counts, features = stage.most(counts), stage.values
                if prod(counts) > WORTH_CUTTING_OUT * features[0, 0].numel():
                    break
                self.local.append(stage)
                self.stride *= stage.pooled.kernel.stride
            if not self.local:
                raise Unsupported("a cube of this size changes most of its features")
            self.base = float(self.score(self.network(cover.image))[0])

    @property
    def whole_map(self) -> Tensor:
        """What enters the first block that runs in full."""
        return self.local[-1].values

    def output(self, patch: Patch) -> Tensor:
        """Return the outputs (B, outputs)."""
        for stage in self.local:
            patch = stage.change(patch)
        features = pasted(self.local[-1].values, patch)
        for block in self.blocks[len(self.local) :]:
            features = block(features)
        return self.network.head(features)
