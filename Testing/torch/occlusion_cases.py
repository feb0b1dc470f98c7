"""Questions and networks that the tests of occlusion share, small and seeded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn

from LesionLensLib.explain.occlusion.cover import Cover
from LesionLensLib.explain.occlusion.cubes import Cubes, Starts, Triple
from LesionLensLib.explain.occlusion.fills import make_fill
from LesionLensLib.explain.occlusion.naive import NaiveOccluder
from LesionLensLib.explain.occlusion.occluder import Channels, Occluder
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import OutputReadout, Readout, RiskReadout
from LesionLensLib.geometry import Grid
from LesionLensLib.outcome.outcomes import Floats

Maker = Callable[..., Occluder]
ROLES = ("PET", "CT", "lesion")


class WeightedSum(nn.Module):
    """A network whose output is the sum of `weights` (C, D, H, W) times the image, plus `offset`."""

    def __init__(self, weights: Tensor, offset: float = 0.0) -> None:
        super().__init__()
        self.weights, self.offset = weights, offset

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weights).sum((1, 2, 3, 4))[:, None] + self.offset


def with_statistics(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give every batch norm statistics and parameters of its own, as training would; evaluation mode."""
    generator = torch.Generator().manual_seed(seed)

    def draw(tensor: Tensor, low: float, high: float) -> None:
        tensor.data.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)

    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d | nn.GroupNorm):
            draw(module.weight, -0.3, 1.3)
            draw(module.bias, -0.2, 0.2)
        if isinstance(module, nn.BatchNorm3d):
            draw(module.running_mean, -0.2, 0.2)
            draw(module.running_var, 0.7, 1.3)
    return network.eval()


def question(
    networks: tuple[nn.Module, ...],
    image: Tensor,
    readout: Readout | None = None,
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Question:
    """Ask `networks` about `image` (1, C, D, H, W)."""
    grid = Grid(tuple(image.shape[:1:-1]), spacing_mm, (0.0, 0.0, 0.0))
    return Question(networks, image, grid, ROLES[: image.shape[1]], readout or RiskReadout())


def weighted(weights: Tensor, image: Tensor, offset: float = 0.0) -> Question:
    """Ask a weighted sum about `image`."""
    return question((WeightedSum(weights, offset),), image, OutputReadout())


def alike(kind: Maker) -> Maker:
    """Return occluders that can be asked for cubes at any offsets, which they are then given by their batches."""

    class AnyOffsets:
        def __init__(self, asked: Question, network: nn.Module, cover: Cover) -> None:
            self.inner: Occluder = kind(asked, network, cover)
            self.base, self.batches = self.inner.base, self.inner.batches

        def scores(self, starts: Starts, subsets: Sequence[Channels]) -> Floats:
            found = np.zeros((len(subsets), len(starts)))
            for numbers in self.batches(starts):
                found[:, numbers] = self.inner.scores(starts[numbers], subsets)
            return found

    return AnyOffsets


def differences(
    asked: Question, occluder: Maker, size: Triple, stride: Triple, fill: str, channels: list[Channels], count: int = 6
) -> tuple[float, float]:
    """Return how far `occluder` and the reference loop are apart, and how far cubes move the answer, at most.

    Compared are the first and the last cube, which lie in corners, and `count` random ones. The answer is a probability
    calibrated so that it is 0.5 for the image as it is: untrained networks are often too sure to be moved.
    """
    cover = Cover(asked.image, size, make_fill(fill, asked.image, size))
    starts = Cubes.covering(asked.grid.shape, size, stride).starts
    drawn = np.random.default_rng(1).choice(len(starts), min(count, len(starts)), replace=False)
    starts = starts[np.unique([0, len(starts) - 1, *drawn])]
    network = asked.networks[0]
    reference: Occluder = NaiveOccluder(asked, network, cover)
    tested: Occluder = occluder(asked, network, cover)
    scale = max(1.0, abs(reference.base))
    expected, found = (
        expit((each.scores(starts, channels) - reference.base) / scale) for each in (reference, tested)
    )
    return float(np.abs(found - expected).max()), float(np.abs(expected - 0.5).max())
