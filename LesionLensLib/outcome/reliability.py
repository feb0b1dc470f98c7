"""Whether probabilities mean what they say: reliability table, expected calibration error, Brier score, log loss.

The expected calibration error of a few dozen patients is far from 0 even for a perfect model; what chance alone gives
is therefore computed beside it (Brocker and Smith, Weather and Forecasting 22, 2007, for the idea).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.confusion import share_figure
from LesionLensLib.outcome.figure import Figure
from LesionLensLib.outcome.outcomes import Floats, Indices, Outcomes

BINS = 5
CHANCE_DRAWS = 2000
Binning = Literal["equal-width", "equal-count"]


@dataclass(frozen=True)
class ReliabilityRow:
    """One bin: its bounds, the mean probability said in it, and the share in which the event happened.

    `low` and `high` are the bounds of an equal-width bin, else the lowest and highest probability in the bin. An empty
    bin has `mean_probability` `None`.
    """

    low: float | None
    high: float | None
    mean_probability: float | None
    observed: Figure


@dataclass(frozen=True)
class Reliability:
    """The reliability table and the expected calibration error: sum over bins of n_b / n |mean said - observed|.

    `error_by_chance` is the mean error of outcomes drawn from the probabilities themselves, `p_value` the share of such
    draws with an error at least as large: small where the probabilities are really off.
    """

    binning: Binning
    bins: int
    cases: int
    error: float
    error_by_chance: float
    p_value: float
    rows: tuple[ReliabilityRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def reliability(
    outcomes: Outcomes, bins: int = BINS, binning: Binning = "equal-width", draws: int = CHANCE_DRAWS, seed: int = 0
) -> Reliability:
    """Compare the probabilities (the scores of `outcomes`) with what happened, in `bins` bins.

    "equal-width" cuts [0, 1] into equal parts, "equal-count" puts about the same number of cases into every bin, equal
    probabilities always into the same one. Raises `UserError` for a score outside [0, 1] or no bin.
    """
    said = _probabilities(outcomes)
    if bins < 1:
        raise UserError("A reliability table needs at least one bin.", "Ask for 5 or 10 bins.")
    index = _equal_width(said, bins) if binning == "equal-width" else _equal_count(said, bins)
    error = float(_errors(outcomes.labels[None], said, index, bins)[0])
    rng = np.random.default_rng(seed)
    drawn = (rng.random((draws, said.size)) < said).astype(np.int64)
    by_chance = _errors(drawn, said, index, bins)
    as_large = float((1 + np.sum(by_chance >= error - 1e-12)) / (1 + draws))
    rows = tuple(_row(outcomes, index == n, (n / bins, (n + 1) / bins), binning) for n in range(bins))
    return Reliability(binning, bins, said.size, error, float(by_chance.mean()), as_large, rows)


def brier_score(outcomes: Outcomes) -> float:
    """Return the mean squared difference of probability and outcome; 0.25 for saying 0.5 of everybody."""
    return float(np.mean((_probabilities(outcomes) - outcomes.labels) ** 2))


def log_loss(labels: NDArray[np.int64], logits: Floats) -> float:
    """Return the mean negative log-likelihood (nats) of labels `(n,)` under `logits` `(n,)`; finite for any logit."""
    return float(np.mean(-special.log_expit(np.where(labels == 1, logits, -logits))))


def _probabilities(outcomes: Outcomes) -> Floats:
    if outcomes.scores.min() < 0 or outcomes.scores.max() > 1:
        raise UserError("A probability is below 0 or above 1.", "Give probabilities, not logits or other scores.")
    return outcomes.scores


def _equal_width(said: Floats, bins: int) -> Indices:
    index: Indices = np.minimum((said * bins).astype(np.intp), bins - 1)
    return index


def _equal_count(said: Floats, bins: int) -> Indices:
    """Bins by midrank: equal probabilities share a bin, so that the order of the patients cannot matter."""
    share = (stats.rankdata(said) - 0.5) / said.size
    index: Indices = np.minimum((share * bins).astype(np.intp), bins - 1)
    return index


def _errors(labels: NDArray[np.int64], said: Floats, index: Indices, bins: int) -> Floats:
    """Return the error `(r,)` of each of the label vectors `(r, n)`: sum over bins of |sum of (label - said)| / n."""
    member = np.equal.outer(index, np.arange(bins)).astype(np.float64)
    errors: Floats = np.abs((labels - said) @ member).sum(axis=1) / said.size
    return errors


def _row(
    outcomes: Outcomes, inside: NDArray[np.bool_], bounds: tuple[float, float], binning: Binning
) -> ReliabilityRow:
    said = outcomes.scores[inside]
    observed = share_figure(int(outcomes.labels[inside].sum()), said.size)
    mean = float(said.mean()) if said.size else None
    if binning == "equal-width":
        return ReliabilityRow(*bounds, mean, observed)
    if mean is None:
        return ReliabilityRow(None, None, None, observed)
    return ReliabilityRow(float(said.min()), float(said.max()), mean, observed)
