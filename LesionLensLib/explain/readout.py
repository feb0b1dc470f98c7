"""From what networks put out to the one number that is explained: a risk, a measured output, a lesion's probability."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from LesionLensLib.networks.chmfl import ChmflOutput
from LesionLensLib.outcome.calibration import Calibration
from LesionLensLib.outcome.outcomes import Floats


class Readout(Protocol):
    """Two steps, since networks of an ensemble are averaged between them: output -> score, mean score -> answer."""

    def score(self, output: Tensor | ChmflOutput) -> Tensor:
        """Return the score (N,) of a network's output for N images, differentiable."""

    def answer(self, mean_score: Floats) -> Floats:
        """Return what the user is told for the mean score over all networks, any shape."""


@dataclass(frozen=True)
class RiskReadout:
    """The probability of an outcome: the score is the margin, the logit of the event minus that of no event."""

    calibration: Calibration = field(default_factory=Calibration)

    def score(self, output: Tensor | ChmflOutput) -> Tensor:
        """Return the margin (N,) of outcome logits (N, 2)."""
        logits = output.outcome if isinstance(output, ChmflOutput) else output
        return logits[:, 1] - logits[:, 0]

    def answer(self, mean_score: Floats) -> Floats:
        """Return the calibrated probability."""
        return self.calibration.apply(mean_score)


@dataclass(frozen=True)
class OutputReadout:
    """One output of a regression network, in its own unit."""

    index: int = 0

    def score(self, output: Tensor | ChmflOutput) -> Tensor:
        """Return output number `index` (N,) of (N, outputs)."""
        if isinstance(output, ChmflOutput):
            raise TypeError("CHMFL puts out a risk: explain it with RiskReadout")
        return output[:, self.index]

    def answer(self, mean_score: Floats) -> Floats:
        """Return the output itself."""
        return np.asarray(mean_score, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class MaskReadout:
    """The mean probability of lesion inside a mask (D, H, W), which is how a segmentation is explained."""

    mask: Tensor

    def score(self, output: Tensor | ChmflOutput) -> Tensor:
        """Return the mean probability (N,) of class 1 of lesion logits (N, 2, D, H, W) inside the mask."""
        logits = output.mask if isinstance(output, ChmflOutput) else output
        if logits is None:
            raise TypeError("this network outlines nothing: explain it with RiskReadout")
        inside = self.mask.to(logits.device, torch.bool)
        if inside.shape != logits.shape[2:] or not inside.any():
            raise ValueError(f"the mask {tuple(inside.shape)} is empty, or not on the grid {tuple(logits.shape[2:])}")
        return logits.float().softmax(1)[:, 1, inside].mean(1)

    def answer(self, mean_score: Floats) -> Floats:
        """Return the mean probability itself."""
        return np.asarray(mean_score, dtype=np.float64)
