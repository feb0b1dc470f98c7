"""From what the network says to a probability: p = sigmoid(slope * logit + intercept), frozen in the model card.

Temperature scaling (Guo et al., ICML 2017) is slope = 1 / temperature without intercept; Platt scaling (Platt, 1999)
has both. Fitted by `training.fit_calibration` on patients whom the network had not seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from LesionLensLib.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from LesionLensLib.outcome.outcomes import Floats

Method = Literal["none", "temperature", "platt"]
METHODS: tuple[Method, ...] = ("none", "temperature", "platt")


@dataclass(frozen=True)
class Calibration:
    """Slope and intercept, how sure they are, and on how many patients they were fitted.

    `covariance` is (variance of the slope, covariance, variance of the intercept) from the Fisher information, whatever
    the method: fixing a parameter does not make it certain.
    """

    method: Method = "none"
    slope: float = 1.0
    intercept: float = 0.0
    covariance: tuple[float, float, float] = (0.0, 0.0, 0.0)
    patients: int = 0

    @property
    def calibrated(self) -> bool:
        """Whether probabilities differ from the network's own; the report says so."""
        return self.method != "none"

    def logit(self, logits: ArrayLike) -> Floats:
        """Return calibrated logits of the network's `logits`, any shape."""
        import numpy as np  # not at the top: `lesionlens models` reads every card and computes nothing

        calibrated: Floats = self.slope * np.asarray(logits, dtype=np.float64) + self.intercept
        return calibrated

    def apply(self, logits: ArrayLike) -> Floats:
        """Return calibrated probabilities of the network's `logits`, any shape."""
        from scipy import special  # not at the top: a panel reads calibrations with the cards when it opens

        probabilities: Floats = special.expit(self.logit(logits))
        return probabilities

    def variance(self, logits: ArrayLike) -> Floats:
        """Return how uncertain slope and intercept make the calibrated logits (variance), any shape."""
        import numpy as np

        z = np.asarray(logits, dtype=np.float64)
        slope, both, intercept = self.covariance
        variance: Floats = np.maximum(slope * z**2 + 2 * both * z + intercept, 0.0)
        return variance

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values for the model card."""
        return {**asdict(self), "covariance": list(self.covariance)}

    @classmethod
    def from_dict(cls, record: object) -> Calibration:
        """Read what `to_dict` wrote; raises `UserError` that says what is wrong."""
        if not isinstance(record, Mapping):
            _wrong("it is not a JSON object")
        if record.get("method") not in METHODS:
            _wrong(f"method is not one of {', '.join(METHODS)}")
        slope, intercept = (_number(record.get(name), name) for name in ("slope", "intercept"))
        covariance = record.get("covariance")
        if not isinstance(covariance, list) or len(covariance) != 3:
            _wrong("covariance is not three numbers")
        variance, both, offset = (_number(value, "covariance") for value in covariance)
        if slope < 0 or min(variance, offset) < 0 or both**2 > variance * offset * (1 + 1e-9):
            _wrong("slope or covariance has a value that cannot be")
        patients = record.get("patients")
        if isinstance(patients, bool) or not isinstance(patients, int) or patients < 0:
            _wrong("patients is not a count")
        return cls(record["method"], slope, intercept, (variance, both, offset), patients)


def logit_of(probabilities: ArrayLike) -> Floats:
    """Return log(p / (1 - p)); 0 and 1, which float32 softmax does give, become the logits of 1e-7 from the end."""
    import numpy as np
    from scipy import special

    logits: Floats = special.logit(np.clip(np.asarray(probabilities, dtype=np.float64), 1e-7, 1 - 1e-7))
    return logits


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        _wrong(f"{name} is not a number")
    return float(value)


def _wrong(what: str) -> NoReturn:
    raise UserError(f"The calibration of the model is wrong: {what}.", "Get the model again.")
