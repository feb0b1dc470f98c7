"""Big Transfer's rule for fine-tuning: how long, at which learning rate, with or without MixUp.

Kolesnikov et al., "Big Transfer (BiT): General Visual Representation Learning", ECCV 2020, section 3.3, and its public
code. The strict rule knows only the number of examples; a cohort of a hundred lesions gets 500 steps by it, where
Jalalifar et al. (IEEE JTEHM 2022) trained for 300 epochs, hence the scaled form.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from LesionLensLib.errors import UserError

BASE_RATE = 0.003
MOMENTUM = 0.9
SMALL, MEDIUM = 20_000, 500_000
RULES = ("bit-scaled", "bit-strict", "constant")


@dataclass(frozen=True)
class StepSchedule:
    """Learning rate by step: linear warm-up from 0, then a tenth behind each decay step, then the end.

    Steps count from 0. `decay_steps` grow and lie between `warm_up_steps` and `end_step`; `ValueError` otherwise.
    """

    warm_up_steps: int
    decay_steps: tuple[int, ...]
    end_step: int
    base_rate: float = BASE_RATE

    def __post_init__(self) -> None:
        knots = (0, self.warm_up_steps, *self.decay_steps, self.end_step)
        if any(later < earlier for earlier, later in pairwise(knots)):
            raise ValueError(f"the knots of a schedule do not decrease: {knots}")
        if not self.base_rate > 0:
            raise ValueError(f"a learning rate is positive, not {self.base_rate}")

    def rate(self, step: int) -> float | None:
        """Return the learning rate of `step`, or None where training is over; a decay begins behind its step."""
        if step >= self.end_step:
            return None
        if step < self.warm_up_steps:
            return self.base_rate * step / self.warm_up_steps
        return self.base_rate / 10.0 ** sum(step > knot for knot in self.decay_steps)


def hyper_rule(examples: int, base_rate: float = BASE_RATE) -> StepSchedule:
    """Return Big Transfer's own schedule for a training set of `examples` ("bit-strict")."""
    if examples < SMALL:
        return StepSchedule(100, (200, 300, 400), 500, base_rate)
    if examples < MEDIUM:
        return StepSchedule(500, (3000, 6000, 9000), 10_000, base_rate)
    return StepSchedule(500, (6000, 12_000, 18_000), 20_000, base_rate)


def scaled_rule(steps: int, base_rate: float = BASE_RATE) -> StepSchedule:
    """Return the rule stretched to `steps` ("bit-scaled"): decays at 30, 60 and 90 %, warm-up 5 % but at most 500."""
    return StepSchedule(min(500, steps // 20), (steps * 3 // 10, steps * 6 // 10, steps * 9 // 10), steps, base_rate)


def planned_steps(examples: int, batch: int, epochs: int) -> int:
    """Return the optimiser steps of `epochs` passes over `examples`; the last batch of a pass may be smaller."""
    return -(-examples // batch) * epochs


def make_schedule(rule: str, examples: int, batch: int, epochs: int, base_rate: float = BASE_RATE) -> StepSchedule:
    """Return the schedule that a recipe names by `rule`; "bit-strict" looks at `examples` alone.

    "constant" is the plain recipe, without warm-up and decay. Raises `UserError` for another rule.
    """
    if rule == "bit-strict":
        return hyper_rule(examples, base_rate)
    steps = planned_steps(examples, batch, epochs)
    if rule == "bit-scaled":
        return scaled_rule(steps, base_rate)
    if rule == "constant":
        return StepSchedule(0, (), steps, base_rate)
    raise UserError(f"There is no schedule called {rule}.", f"Use one of: {', '.join(RULES)}.")


def mixup_alpha(examples: int) -> float:
    """Return the strength of MixUp by the rule: none for a small training set, 0.1 from 20 000 examples on."""
    return 0.0 if examples < SMALL else 0.1


def make_optimizer(network: nn.Module, base_rate: float = BASE_RATE) -> torch.optim.SGD:
    """Return Big Transfer's optimiser for fine-tuning: stochastic gradient descent, momentum 0.9, no weight decay."""
    return torch.optim.SGD(network.parameters(), base_rate, momentum=MOMENTUM)
