"""The stated mechanism of local failure, and how well anyone who knows it could predict.

There are no public outcomes of irradiated metastases, so the outcome here is simulated: large, necrotic metastases with
uneven oedema at their edge fail more often. The direction of each effect is that of the literature (volume: Vogelbaum
et al., J Neurosurg 104, 2006; necrosis and the texture of the margin: Karami et al., Sci Rep 9, 19830, 2019); the
coefficients are chosen, not fitted, so that the event rate is near 40 % and the best possible AUC near that of
Jalalifar et al. (2022), tables S1 and S3.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from scipy.stats import rankdata

from LesionLensLib.training.metastases.masks import Margins
from LesionLensLib.training.metastases.measures import Measures


@dataclass(frozen=True)
class Effect:
    """One term of the mechanism: `weight` times (quantity - `center`) / `scale`.

    Centre and scale are near the mean and standard deviation of the quantity over simulated lesions, so that weights
    can be compared.
    """

    weight: float
    center: float
    scale: float

    def of(self, quantity: float) -> float:
        """Return what this term adds to the logit."""
        return self.weight * (quantity - self.center) / self.scale


@dataclass(frozen=True)
class FailureMechanism:
    """logit p(local failure) = intercept + volume(ln ml) + necrosis(share) + heterogeneity(FLAIR units).

    Every quantity is measured on the finished images and masks (`Measures`), never taken from what was drawn; the
    heterogeneity is that of the oedema within `margins`.

    Measured on 259 lesions of 160 patients in five real visits, painted ones and a phantom (default limits): event rate
    0.40, best possible AUC 0.907; of volume alone 0.75, of necrosis alone 0.79, of heterogeneity alone 0.78. Every data
    set states its own figures (`cohort.reachable`).
    """

    intercept: float = -0.8
    log_volume: Effect = field(default_factory=lambda: Effect(weight=0.9, center=0.2, scale=1.4))
    necrosis: Effect = field(default_factory=lambda: Effect(weight=1.1, center=0.17, scale=0.18))
    heterogeneity: Effect = field(default_factory=lambda: Effect(weight=1.7, center=0.18, scale=0.1))
    margins: Margins = field(default_factory=Margins)

    def logit(self, measures: Measures) -> float:
        """Return the log odds of local failure."""
        terms = self.terms(measures)
        return self.intercept + sum(terms.values())

    def terms(self, measures: Measures) -> dict[str, float]:
        """Return what each quantity adds to the logit: the true explanation of a lesion's risk."""
        return {
            "log_volume": self.log_volume.of(float(np.log(measures.volume_ml))),
            "necrosis": self.necrosis.of(measures.necrosis_share),
            "heterogeneity": self.heterogeneity.of(measures.oedema_heterogeneity),
        }

    def probability(self, measures: Measures) -> float:
        """Return the probability of local failure."""
        return float(expit(self.logit(measures)))

    def draw(self, measures: Measures, rng: np.random.Generator) -> int:
        """Draw the outcome: 1 local failure, 0 local control."""
        return int(rng.random() < self.probability(measures))

    def to_dict(self) -> dict[str, object]:
        """Return every coefficient for JSON."""
        return asdict(self)


def bayes_auc(probabilities: ArrayLike) -> float:
    """Return the AUC of the best possible predictor, the true probability itself, over lesions like these.

    No network can do better on average: what is left is the chance of the draw.
    """
    return expected_auc(probabilities, probabilities)


def expected_auc(scores: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the AUC that `scores` (n,) reach on average when outcomes are drawn with `probabilities` (n,).

    It is the chance that of two lesions drawn with replacement, one failed and one controlled, the failed one has
    the higher score (ties count half). So it also says how far a shortcut gets, such as volume alone. Raises
    `ValueError` where one of the two outcomes is impossible.
    """
    score, p = np.asarray(scores, np.float64), np.asarray(probabilities, np.float64)
    order = np.argsort(score, kind="stable")
    ranks = rankdata(score, "dense")[order]
    control = (1 - p)[order]
    pairs = p.sum() * (1 - p).sum()
    if pairs <= 0:
        raise ValueError("an AUC needs both outcomes to be possible")
    by_rank = np.bincount(ranks, weights=control)
    below = np.cumsum(by_rank) - by_rank
    return float((p[order] * (below + 0.5 * by_rank)[ranks]).sum() / pairs)
