"""What the occluders of ordinary convolutional networks share: cubes as patches of the image, in batches that fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from LesionLensLib.explain.occlusion.changed_map import Patch
from LesionLensLib.explain.occlusion.cover import Cover
from LesionLensLib.explain.occlusion.cubes import Starts
from LesionLensLib.explain.occlusion.occluder import Channels, portions
from LesionLensLib.explain.question import Question
from LesionLensLib.outcome.outcomes import Floats

BATCH_BYTES = 1 << 25
"""Size of the whole maps of the images that are evaluated together."""
MOST_IMAGES = 64
WORTH_CUTTING_OUT = 0.5
"""A change that fills more of a map than this is computed on the whole of it."""


class PatchOccluder(ABC):
    """Evaluates cubes by what they change, `stride` voxels being a cell of the last map that is computed in parts."""

    def __init__(self, question: Question, cover: Cover) -> None:
        self.cover, self.readout = cover, question.readout
        self.stride = 1
        self.base = float("nan")

    @abstractmethod
    def output(self, patch: Patch) -> Tensor:
        """Return what the network puts out with each patch of the image changed."""

    @property
    @abstractmethod
    def whole_map(self) -> Tensor:
        """The largest map that is held in full for each image of a batch, (1, C, D, H, W)."""

    def score(self, output: Tensor) -> Floats:
        """Return the scores (B,) of what the network puts out."""
        scores: Floats = self.readout.score(output).double().cpu().numpy()
        return scores

    def batches(self, starts: Starts) -> list[Starts]:
        """Return cubes at like offsets to the cells of the last map that is computed in parts."""
        images = min(MOST_IMAGES, max(1, BATCH_BYTES // (4 * self.whole_map.numel())))
        _, kinds = np.unique(starts % self.stride, axis=0, return_inverse=True)
        kinds = kinds.ravel()
        alike = [np.flatnonzero(kinds == kind) for kind in range(int(kinds.max(initial=-1)) + 1)]
        return [part for numbers in alike for part in portions(numbers, images)]

    @torch.inference_mode()
    def scores(self, starts: Starts, subsets: Sequence[Channels]) -> Floats:
        """Return the scores (S, B); all `starts` are equal modulo `stride`."""
        first, differences = self.cover.first_voxels(starts), self.cover.differences(starts)
        rows = np.full((len(subsets), len(starts)), self.base)
        for row, channels in zip(rows, subsets, strict=True):
            seen = torch.zeros_like(differences)
            seen[:, list(channels)] = differences[:, list(channels)]
            moved = seen.flatten(1).any(1)
            if bool(moved.any()):
                row[moved.cpu().numpy()] = self.score(self.output(Patch(seen[moved], first[moved])))
        return rows
