"""What networks say about one lesion, averaged over networks and mirrored copies, and how they outline it.

Training judges its held-out patients by the same function as `lesionlens predict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special
from torch import Tensor, nn

from LesionLensLib.inference.cpu import usable_cores
from LesionLensLib.inference.workers import Workers
from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.networks.resnet3d import ResNet3d

# The plain view first, then mirrored along the axes of (N, C, D, H, W), across the limb before along it.
MIRRORS: tuple[tuple[int, ...], ...] = ((), (4,), (3,), (3, 4), (2,), (2, 4), (2, 3), (2, 3, 4))
TUMOUR_THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class OutcomeAnswer:
    """The mean logit of the event, and the lesion's probability (D, H, W) on the field of view where there is one.

    `features` (K, p) is what enters the last layers of each network in the plain view; None where that is not known.
    """

    logit: float
    tumour: NDArray[np.float32] | None
    features: NDArray[np.float64] | None = None

    @property
    def probability(self) -> float:
        """The probability of the event, before any calibration."""
        return float(special.expit(self.logit))


def ask_networks(
    networks: Sequence[nn.Module], x: Tensor, views: int = 1, outline: bool = True, at_once: int | None = None
) -> OutcomeAnswer:
    """Return the mean over `networks`, put into evaluation mode, and `views` of `x` (1, C, D, H, W), on its device.

    Logits are averaged, and so are the outlines; without `outline` a network that can answers without making one.
    On a CPU `at_once` views are computed side by side, one core each; None is as many as there are cores.
    """
    for network in networks:
        network.eval()
    questions = [(network, mirror) for network in networks for mirror in MIRRORS[:views]]

    def ask(question: tuple[nn.Module, tuple[int, ...]]) -> tuple[float, Tensor | None, Tensor | None]:
        network, mirror = question
        outcome, mask, features = _answer(network, x.flip(mirror), outline)
        logit = float(outcome[0, 1].double() - outcome[0, 0].double())
        tumour = None if mask is None else mask[0].float().softmax(0)[1].flip([axis - 2 for axis in mirror])
        return logit, tumour, None if mirror else features

    count = views_at_once() if at_once is None else at_once
    with Workers(count if x.device.type == "cpu" else 1) as workers:
        answers = workers.map(ask, questions)
    logits, tumours, features = zip(*answers, strict=True)
    maps = [tumour for tumour in tumours if tumour is not None]
    mean = torch.stack(maps).mean(0).cpu().numpy() if maps else None
    return OutcomeAnswer(float(np.mean(logits)), mean, _stacked(features[:: len(MIRRORS[:views])]))


def views_at_once() -> int:
    """Return how many views are computed side by side on the CPU."""
    return min(usable_cores(), len(MIRRORS))


@torch.inference_mode()
def feature_vectors(networks: Sequence[nn.Module], x: Tensor) -> NDArray[np.float64] | None:
    """Return what enters the last layers of each network, `(K, p)`, for the plain view of `x`; None if unknown."""
    return _stacked([_answer(network.eval(), x, False)[2] for network in networks])


def _stacked(rows: Sequence[Tensor | None]) -> NDArray[np.float64] | None:
    known = [row[0].double().cpu().numpy() for row in rows if row is not None]
    return np.stack(known) if known and len(known) == len(rows) else None


def _answer(network: nn.Module, x: Tensor, outline: bool) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return the logits (1, 2) of outcome and (1, 2, D, H, W) of lesion, and what enters the last layers (1, p).

    None stands for what the network does not give.
    """
    if isinstance(network, CHMFL):
        maps = network.encode(x)
        vector = network.head.vector(maps)
        mask = network.decoder(maps) if outline and network.decoder is not None else None
        return network.head.layers(vector), mask, vector
    if isinstance(network, ResNet3d):
        features = network.features(x)
        return network.head(features), None, features.mean((2, 3, 4))
    output = network(x)
    if isinstance(output, Tensor):
        return output, None, None
    return output.outcome, output.mask if outline else None, None
