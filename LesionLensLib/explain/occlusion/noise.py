"""How much of an impact is rounding: single precision carries about seven digits, bfloat16 not even three."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from LesionLensLib.explain.question import Question

DRAWS = 4


def rounding_noise(question: Question, seed: int = 0) -> float:
    """Return the largest change of the answer over four draws in which values move by a unit in their last place.

    An impact below it could not be told from another rounding of the same image. The last place is that of the number
    format in which the networks compute.
    """
    unit = max(unit_of(network) for network in question.networks)
    generator = torch.Generator().manual_seed(seed)
    baseline, moved = question.answer, []
    for _ in range(DRAWS):
        signs = torch.randint(-1, 2, question.image.shape, generator=generator).to(question.image)
        moved.append(question.answers(question.image * (1 + unit * signs))[0])
    return float(np.abs(np.array(moved) - baseline).max())


def unit_of(network: nn.Module) -> float:
    """Return the relative size of the last place in a network's `precision`, where it names one, or in its weights."""
    named = getattr(network, "precision", None)
    formats = [named] if named is not None else [each.dtype for each in network.parameters()]
    return max((torch.finfo(each).eps for each in formats), default=torch.finfo(torch.float32).eps)
