"""The Adam optimiser for one tensor.

torch's own imports its compiler before the first step, which takes 4 s of computing on a quiet machine (26 s were seen
on a busy one): longer than all 200 iterations of SMOCAM.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Adam:
    """Adam of Kingma and Ba (ICLR 2015, algorithm 1) with their defaults, as in `torch.optim.Adam`."""

    def __init__(self, parameter: Tensor, learning_rate: float) -> None:
        self.parameter, self.learning_rate = parameter, learning_rate
        self.decays, self.epsilon, self.steps = (0.9, 0.999), 1e-8, 0
        self.mean, self.square = torch.zeros_like(parameter), torch.zeros_like(parameter)

    @torch.no_grad()
    def step(self, gradient: Tensor) -> None:
        """Move the parameter, in place, against `gradient`."""
        self.steps += 1
        first, second = self.decays
        self.mean.lerp_(gradient, 1 - first)
        self.square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        root = (self.square / (1 - second**self.steps)).sqrt_().add_(self.epsilon)
        self.parameter.addcdiv_(self.mean, root, value=-self.learning_rate / (1 - first**self.steps))
