"""The reference: every cube is put over the whole image and the network evaluates it anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from LesionLensLib.explain.occlusion.cover import Cover
from LesionLensLib.explain.occlusion.cubes import Starts
from LesionLensLib.explain.occlusion.occluder import Channels, portions
from LesionLensLib.explain.question import Question
from LesionLensLib.outcome.outcomes import Floats

GPU_BATCH = 16


class NaiveOccluder:
    """A forward pass for each cube, `batch` images at a time.

    On a CPU a pass of one image is as fast per image and takes the least memory; a GPU wants more.
    """

    def __init__(self, question: Question, network: nn.Module, cover: Cover, batch: int | None = None) -> None:
        self.question, self.network, self.cover = question, network, cover
        self.batch = batch or (1 if question.image.device.type == "cpu" else GPU_BATCH)
        with torch.inference_mode():
            output = question.output(network, question.image)
            self.base = float(question.readout.score(output)[0])

    def batches(self, starts: Starts) -> list[Starts]:
        """Return the cubes in their order."""
        return portions(np.arange(len(starts)), self.batch)

    @torch.inference_mode()
    def scores(self, starts: Starts, subsets: Sequence[Channels]) -> Floats:
        """Return the scores (S, B) of full passes."""
        rows = []
        for channels in subsets:
            output = self.question.output(self.network, self.cover.occluded(starts, channels))
            rows.append(self.question.readout.score(output).double().cpu().numpy())
        return np.stack(rows)
