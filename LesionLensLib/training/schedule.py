"""How the learning rate moves while a training goes on."""

from __future__ import annotations

import math


def warm_cosine(rate: float, step: int, warm_up_steps: int, steps: int) -> float:
    """Return the rate at `step` of `steps`: linear warm-up to `rate`, then a cosine down to a hundredth of it."""
    if step < warm_up_steps:
        return rate * (step + 1) / warm_up_steps
    return cosine(rate, (step - warm_up_steps) / max(1, steps - warm_up_steps))


def cosine(rate: float, done: float) -> float:
    """Return `rate` after the share `done` of a cosine that ends at a hundredth of it."""
    return rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
