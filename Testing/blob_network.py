"""A network that measures two blobs, trained within seconds: which voxels it looks at is known.

Images have a bright and a dark round blob, and a box of both brightnesses in stripes, which means nothing. Output 0 is
the amount of the bright blob (height times volume), output 1 that of the dark one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from LesionLensLib.explain.adam import Adam
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import OutputReadout
from LesionLensLib.geometry import Grid

SIDE = 24
WIDTHS = (4, 8)
STEPS, BATCH, LEARNING_RATE = 200, 8, 0.05
GRID = Grid((SIDE, SIDE, SIDE), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


@dataclass(frozen=True, eq=False)
class BlobCase:
    """The image (1, D, H, W), the two amounts, and where the blobs are: two masks (D, H, W)."""

    image: np.ndarray
    amounts: np.ndarray
    masks: tuple[np.ndarray, np.ndarray]

    def question(self, network: nn.Module, output: int) -> Question:
        """Return the question what `network` makes output number `output` of."""
        return Question((network,), torch.from_numpy(self.image)[None], GRID, ("T1",), OutputReadout(output))


def blob_case(rng: np.random.Generator) -> BlobCase:
    """Draw one image."""
    axis = np.arange(SIDE, dtype=np.float32)
    image = 0.1 * rng.standard_normal((SIDE, SIDE, SIDE), dtype=np.float32)
    amounts, masks = [], []
    apart = rng.integers(3)  # the axis along which the two never meet
    for sign, (low, high) in ((1.0, (4, 9)), (-1.0, (15, 20))):
        centre = np.insert(rng.integers(4, 20, 2), apart, rng.integers(low, high))
        radius, height = rng.uniform(2.0, 3.9), rng.uniform(0.8, 1.6)
        d, h, w = ((axis - middle) ** 2 for middle in centre)
        inside = d[:, None, None] + h[:, None] + w <= radius**2
        image[inside] = sign * height
        amounts.append(height * inside.sum() / 100)
        masks.append(inside)
    corner = rng.integers(0, SIDE - 3, 3)
    d, h, w = (slice(c, c + 3) for c in corner)
    if not (masks[0] | masks[1])[d, h, w].any():
        image[d, h, w] = [[[1.0], [-1.0], [1.0]]]
    return BlobCase(image[None], np.array(amounts, np.float32), (masks[0], masks[1]))


def _batch(rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
    cases = [blob_case(rng) for _ in range(count)]
    images, amounts = np.stack([case.image for case in cases]), np.stack([case.amounts for case in cases])
    return torch.from_numpy(images), torch.from_numpy(amounts)


def _block(channels: int, width: int) -> nn.Sequential:
    convolution = nn.Conv3d(channels, width, 3, padding=1)
    return nn.Sequential(convolution, nn.BatchNorm3d(width), nn.ReLU(inplace=True), nn.MaxPool3d(2))


@cache
def blob_network() -> tuple[nn.Module, float, float]:
    """Return the trained network in evaluation mode, sigma of an output over cases, and R2 on unseen cases."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    first, last = WIDTHS
    head = (nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(last, 2))
    network = nn.Sequential(_block(1, first), _block(first, last), *head)
    parameters = list(network.parameters())
    for step in range(STEPS):
        rate = LEARNING_RATE * (1 - step / STEPS)
        images, amounts = _batch(rng, BATCH)
        loss = (network(images) - amounts).square().mean()
        gradients = torch.autograd.grad(loss, parameters)
        if not step:
            optimizers = [Adam(parameter.detach(), rate) for parameter in parameters]
        for adam, gradient in zip(optimizers, gradients, strict=True):
            adam.learning_rate = rate
            adam.step(gradient)
    network.eval()
    images, amounts = _batch(rng, 100)
    with torch.no_grad():
        errors = (network(images) - amounts).square().mean(0)
    r2 = float((1 - errors / amounts.var(0)).min())
    return network, float(amounts.std(0).mean()), r2
