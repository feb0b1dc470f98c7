"""What is explained: the number that some networks make of one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from LesionLensLib.explain.readout import Readout, RiskReadout
from LesionLensLib.geometry import Grid
from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.outcome.outcomes import Floats


@dataclass(frozen=True, eq=False)
class Question:
    """`networks` in evaluation mode, the `image` (1, C, D, H, W) they are shown, its `grid`, and the `readout`.

    `roles` name the channels. The networks' scores are averaged. Raises `ValueError` for an image that does not fit its
    grid or roles.
    """

    networks: tuple[nn.Module, ...]
    image: Tensor
    grid: Grid
    roles: tuple[str, ...]
    readout: Readout

    def __post_init__(self) -> None:
        expected = (1, len(self.roles), *self.grid.shape)
        if not self.networks or tuple(self.image.shape) != expected:
            raise ValueError(f"an image {expected} and a network are needed, not {tuple(self.image.shape)}")

    @property
    def asks_risk(self) -> bool:
        """Whether the score is the margin of an outcome, for which no network needs to outline anything."""
        return isinstance(self.readout, RiskReadout)

    def output(self, network: nn.Module, images: Tensor) -> Tensor:
        """Return what `network` puts out for `images` (N, C, D, H, W), without a decoder the score needs not."""
        if self.asks_risk and isinstance(network, CHMFL):
            return network.outcome_logits(images)
        output: Tensor = network(images)
        return output

    def scores(self, images: Tensor) -> Tensor:
        """Return the score (K, N) of each network for `images` (N, C, D, H, W), differentiable."""
        return torch.stack([self.readout.score(self.output(network, images)) for network in self.networks])

    @torch.inference_mode()
    def answers(self, images: Tensor) -> Floats:
        """Return what the user would be told (N,) of `images` (N, C, D, H, W)."""
        return self.answer_of(self.scores(images).double().cpu().numpy())

    def answer_of(self, scores: Floats) -> Floats:
        """Return the answers (...) for scores (K, ...) of each network."""
        return self.readout.answer(np.asarray(scores, dtype=np.float64).mean(0))

    @property
    def answer(self) -> float:
        """What the user is told of the image as it is."""
        return float(self.answers(self.image)[0])
