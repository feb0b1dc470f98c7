"""How much of an impact is rounding: single precision carries about seven digits."""

from __future__ import annotations

import numpy as np
import torch

from LesionLensLib.explain.question import Question

DRAWS = 4
UNIT = 2.0**-23


def rounding_noise(question: Question, seed: int = 0) -> float:
    """Return the largest change of the answer over four draws in which every value moves by a unit in its last place.

    An impact below it could not be told from another rounding of the same image.
    """
    generator = torch.Generator().manual_seed(seed)
    baseline, moved = question.answer, []
    for _ in range(DRAWS):
        signs = torch.randint(-1, 2, question.image.shape, generator=generator).to(question.image)
        moved.append(question.answers(question.image * (1 + UNIT * signs))[0])
    return float(np.abs(np.array(moved) - baseline).max())
