"""SMOCAM: the small, smooth mask on a layer's features with which a network still gives its answer.

Konate et al., "Smooth conditional attention masks", ISBI 2021 (poster). Optimiser, weights, layer and start are not
published; the defaults here were chosen on a synthetic network whose two outputs each measure one of two blobs.
Published for regression only: the margin of an outcome and the probability inside a lesion are extensions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from LesionLensLib.explain.adam import Adam
from LesionLensLib.explain.layers.choice import asked_layers
from LesionLensLib.explain.layers.cut import Layer
from LesionLensLib.explain.layers.placement import Floats32
from LesionLensLib.explain.masked_score import MaskedScore, for_search
from LesionLensLib.explain.occlusion.pace import in_words
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import OutputReadout
from LesionLensLib.explain.smocam_loss import LossTerms, SmocamLoss, default_smoothness_weight
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.ladder import Tell

PRESERVED = 0.1
"""An answer is preserved where it moves by less than this many standard deviations."""

TELL_EVERY = 10
FLAT = 1e-3
SMALL_WORK = 2_000_000_000
"""Weights times voxels of the mask; 200 iterations of that much take some 5 s on one core."""

Mode = Literal["paper", "preserving"]


@dataclass(frozen=True)
class SmocamSettings:
    """`layer` by name, None for the default one; "paper" gives the mask the norm `budget`, which is 1 in the poster,
    "preserving" the smallest of 1, 2, 4, 8, ... with which the answer is preserved.

    `budget_weight` is lambda; `smoothness_weight` is gamma, None for the one that suits the grid. `search_type` is the
    number format of the search: with a processor's bfloat16 unit that one is three times as fast for a ResNet-18 at
    80 x 128 x 128, and no faster for the shipped models. What is reported is computed by the networks as they are.
    """

    layer: str | None = None
    mode: Mode = "paper"
    budget: float = 1.0
    iterations: int = 200
    learning_rate: float = 0.03
    budget_weight: float = 1.0
    smoothness_weight: float | None = None
    search_type: torch.dtype = torch.float32


@dataclass(frozen=True)
class SmocamDiagnostics:
    """How well the mask does what it should: the answer's move in standard deviations, the mask's norm, the loss.

    `flat` is true for a mask that is the same everywhere: none that is concentrated anywhere was better.
    """

    error_over_sigma: float
    norm: float
    loss_terms: dict[str, float]
    iterations: int
    seconds: float
    mode: Mode
    budget: float
    sigma: float
    layer: str
    mask_size: tuple[int, int, int]
    score: float
    masked_score: float
    flat: bool
    extension: bool

    @property
    def text(self) -> str:
        """One sentence for people."""
        kept = "is preserved"
        if self.error_over_sigma >= PRESERVED:
            kept = "is not preserved: the map tells where, not how much"
        if self.flat:
            kept += "; the mask is the same everywhere and tells no place"
        extension = "; SMOCAM was published for regression, and this use of it is an extension" * self.extension
        return (
            f"Under the mask (norm {self.norm:.2f}, layer {self.layer}) the answer moves by "
            f"{self.error_over_sigma:.2f} standard deviations and {kept}{extension}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values for the report."""
        return {**asdict(self), "mask_size": list(self.mask_size), "text": self.text}


@dataclass(frozen=True, eq=False)
class Smocam:
    """The `mask` (d, h, w) on the layer's grid, non-negative, and the `map` it gives on the grid of the image."""

    mask: Floats32
    map: Volume
    diagnostics: SmocamDiagnostics


def smocam(
    question: Question, sigma: float, settings: SmocamSettings | None = None, tell: Tell | None = None
) -> Smocam:
    """Return the SMOCAM of `question`, whose score varies by `sigma` over patients (`sigma.score_sigma`).

    Networks of an ensemble share one mask, and the data term is that of their mean score, since that is what the user
    was told. Only the networks' tails are run; nothing is drawn at random. `tell` may raise `Cancelled`. Raises
    `UserError` for a network or layer that cannot be cut, `ValueError` for a sigma that is not positive.
    """
    if not (math.isfinite(sigma) and sigma > 0):
        raise ValueError(f"sigma must be a positive number, not {sigma}")
    settings, started = settings or SmocamSettings(), time.perf_counter()
    layer = asked_layers(question, settings.layer)[0]
    exact = MaskedScore(question, settings.layer)
    quick = MaskedScore(for_search(question, settings.search_type), settings.layer)
    losses = _losses(settings, sigma, math.prod(layer.size))
    with _fitting_threads(question, math.prod(layer.size)):
        found = _search(exact, quick, losses, layer, settings, tell)
    values: Floats32 = found.mask.cpu().numpy()
    diagnostics = SmocamDiagnostics(
        error_over_sigma=float(found.terms.data),
        norm=float(torch.linalg.vector_norm(found.mask)),
        loss_terms=found.terms.to_dict(),
        iterations=found.iterations,
        seconds=time.perf_counter() - started,
        mode=settings.mode,
        budget=found.budget,
        sigma=sigma,
        layer=layer.name,
        mask_size=layer.size,
        score=float(exact.score),
        masked_score=float(exact.score + found.moved),
        flat=bool(np.ptp(values) <= FLAT * values.max()),
        extension=not isinstance(question.readout, OutputReadout),
    )
    return Smocam(values, Volume(layer.placement.enlarge(values, question.grid.shape), question.grid), diagnostics)


@contextmanager
def _fitting_threads(question: Question, voxels: int) -> Iterator[None]:
    """Compute small tails with one thread: more wait for one another, for minutes on a machine with other work."""
    weights = sum(parameter.numel() for network in question.networks for parameter in network.parameters())
    before = torch.get_num_threads()
    torch.set_num_threads(1 if weights * voxels < SMALL_WORK else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Found(NamedTuple):
    mask: Tensor
    moved: Tensor
    terms: LossTerms
    budget: float
    iterations: int


def _losses(settings: SmocamSettings, sigma: float, voxels: int) -> list[SmocamLoss]:
    """Return the loss of every budget to be tried; the last is the norm of a mask of ones, which surely preserves."""
    weight = settings.smoothness_weight
    weight = default_smoothness_weight(voxels) if weight is None else weight
    budgets = [settings.budget]
    if settings.mode == "preserving":
        whole = math.sqrt(voxels)
        budgets = [*(2.0**power for power in range(math.ceil(math.log2(whole)))), whole]
    return [SmocamLoss(sigma, budget, settings.budget_weight, weight) for budget in budgets]


def _search(
    exact: MaskedScore,
    quick: MaskedScore,
    losses: Sequence[SmocamLoss],
    layer: Layer,
    settings: SmocamSettings,
    tell: Tell | None,
) -> _Found:
    """Return the mask of the first loss with which the answer is preserved, else of the last, judged by `exact`."""

    def told(number: int, begun: float, done: int) -> None:
        if tell is not None:
            part = done / max(1, settings.iterations)
            text = f"SMOCAM, norm {losses[number].budget:g}: iteration {done} of {settings.iterations}"
            if done:
                left = in_words((settings.iterations - done) * (time.perf_counter() - begun) / done)
                text += f", about {left} left{' for this norm' if len(losses) > 1 else ''}"
            tell((number + part) / len(losses), text)

    for number, loss in enumerate(losses):
        start = torch.full(layer.size, loss.budget / math.sqrt(math.prod(layer.size)), device=exact.score.device)
        mask = _minimize(quick, loss, start, settings, partial(told, number, time.perf_counter()))
        with torch.no_grad():
            moved = exact.moved(mask)
            terms = loss.terms(mask, moved)
        if float(terms.data) < PRESERVED:
            break
    return _Found(mask, moved, terms, loss.budget, settings.iterations * (number + 1))


def _minimize(
    score: MaskedScore, loss: SmocamLoss, start: Tensor, settings: SmocamSettings, told: Callable[[int], None]
) -> Tensor:
    """Return the mask (d, h, w) with the lowest loss on the way from `start`, which is one of them."""
    mask = start.requires_grad_(True)
    adam = Adam(mask, settings.learning_rate)
    lowest, best = math.inf, start.detach().clone()
    for done in range(settings.iterations + 1):
        total = loss.terms(mask, score.moved(mask)).total
        if float(total.detach()) < lowest:
            lowest, best = float(total.detach()), mask.detach().clone()
        if done == settings.iterations:
            break
        if done % TELL_EVERY == 0:
            told(done)
        (gradient,) = torch.autograd.grad(total, mask)
        adam.step(gradient)
        with torch.no_grad():
            mask.clamp_(min=0)
    return best
