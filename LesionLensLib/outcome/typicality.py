"""Whether a case is like the training cases: intensities, size of the lesion, features; and the sentence that says so.

Each check has a distance, and knows that of every training case from the others (leave-one-out, or from the model of
the fold that held it out). A case is as unusual as its most unusual check, each measured in units of the distance that
95 % of the training cases stay below. The percentile is the share of training cases that are less unusual, so that some
5 to 7 % of ordinary patients are remarked on, however many checks there are. A few odd training cases (metal in their
CT) can make that yardstick long; what is far beyond every training case in one check is remarked on whatever it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from LesionLensLib.errors import UserError
from LesionLensLib.outcome.case_description import QUANTILES, CaseDescription
from LesionLensLib.outcome.outcomes import Floats
from LesionLensLib.outcome.shrunk_gaussian import ShrunkGaussian

Kind = Literal["intensity", "size", "features"]
KINDS: tuple[Kind, ...] = ("intensity", "size", "features")
REMARK_PERCENTILE = 95.0
FAR_BEYOND = 1.5
"""How many times the largest distance of a training case, so that hardly any ordinary patient gets there."""


@dataclass(frozen=True)
class Check:
    """One comparison: `references` of one model or of each fold's, held-out distances `(n,)` of the training cases.

    `subject` is the channel of an intensity check. `lowest` and `highest` are the training cases' values: quantiles of
    intensity, or ml; empty for features.
    """

    kind: Kind
    subject: str
    references: tuple[ShrunkGaussian, ...]
    distances: tuple[float, ...]
    lowest: tuple[float, ...] = ()
    highest: tuple[float, ...] = ()

    @property
    def unit(self) -> float:
        """The distance that 95 % of the training cases stay below."""
        return max(float(np.quantile(self.distances, REMARK_PERCENTILE / 100)), 1e-12)

    @property
    def title(self) -> str:
        """What is compared, in plain words."""
        if self.kind == "intensity":
            return f"the intensities of {self.subject}"
        return "the size of the lesion" if self.kind == "size" else "what the network sees in the image (its features)"

    def distance(self, case: CaseDescription) -> float | None:
        """Return how far the case is from the references (mean over them); `None` where the case does not tell."""
        values = check_values(self.kind, self.subject, case)
        if values is None:
            return None
        if len(values) != len(self.references):
            raise UserError(
                f"The typicality of the model needs {len(self.references)} feature vectors, there are {len(values)}.",
                "Run the model of every fold, or get the model again.",
            )
        pairs = zip(self.references, values, strict=True)
        return float(np.mean([reference.distance(row) for reference, row in pairs]))

    def words(self, case: CaseDescription) -> str:
        """Name what was compared, with the value that sticks out most where that lies outside of the training cases."""
        if self.kind == "features":
            return self.title
        if self.kind == "size":
            span = f"training cases: {self.lowest[0]:.3g} to {self.highest[0]:.3g} ml"
            return f"{self.title} ({case.volume_ml:.3g} ml; {span})"
        values = np.asarray(case.intensities[self.subject])
        worst = int(np.argmax(np.abs(self.references[0].standardized(values))))
        if self.lowest[worst] <= values[worst] <= self.highest[worst]:
            return self.title
        name = "median" if QUANTILES[worst] == 0.5 else f"{round(QUANTILES[worst] * 100)} % quantile"
        span = f"training cases: {self.lowest[worst]:.4g} to {self.highest[worst]:.4g}"
        return f"{self.title} ({name} {values[worst]:.4g}; {span})"


@dataclass(frozen=True)
class Typicality:
    """How unusual a case is: percentile 0..100 against the training cases (`None` if nothing could be compared).

    It is 100 where one check is far beyond every training case.
    `unusual` holds the kinds of checks that stick out, `unlike` is true where one is beyond every training case.
    """

    percentile: float | None
    unusual: tuple[Kind, ...]
    unlike: bool
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields of `report.json`'s `typicality`."""
        return {"percentile": self.percentile, "text": self.text, "unusual": list(self.unusual), "unlike": self.unlike}


@dataclass(frozen=True)
class TypicalityReference:
    """The frozen statistics of the training cases, made by `training.fit_typicality`."""

    cases: int
    checks: tuple[Check, ...]

    def judge(self, case: CaseDescription) -> Typicality:
        """Compare a case with the training cases; checks that the case gives no values for are named in the text."""
        found = [(check, check.distance(case)) for check in self.checks]
        done = [(check, distance) for check, distance in found if distance is not None]
        left_out = [check.title for check, distance in found if distance is None]
        note = f" Not compared: {'; '.join(left_out)}." if left_out else ""
        if not done:
            return Typicality(None, (), False, f"Not compared with the training cases.{note}")
        done.sort(key=lambda pair: -pair[1] / pair[0].unit)
        score = done[0][1] / done[0][0].unit
        usual = held_out_scores([check for check, _ in done])
        far = any(distance > FAR_BEYOND * max(check.distances) for check, distance in done)
        percentile = 100.0 if far else 100.0 * float(np.mean(usual < score))
        if percentile < REMARK_PERCENTILE:
            return Typicality(percentile, (), False, f"Typical of the {self.cases} training cases.{note}")
        # An odd training case must not lend its distance to the other checks.
        beyond = [check for check, distance in done if distance > max(check.distances)]
        unlike = bool(beyond)
        unusual = beyond or [done[0][0], *(check for check, distance in done[1:] if distance > check.unit)]
        words = "; ".join(check.words(case) for check in unusual)
        start = "Unlike the training cases" if unlike else "At the edge of the training cases"
        end = "The probability may not hold for this patient." if unlike else "Take the probability with care."
        kinds = tuple(kind for kind in KINDS if any(check.kind == kind for check in unusual))
        return Typicality(percentile, kinds, unlike, f"{start}: {words}. {end}{note}")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; with features this is long, hence a file of its own beside the card."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: object) -> TypicalityReference:
        """Read what `to_dict` wrote (or its JSON); raises `UserError` where it is something else."""
        try:
            if not isinstance(record, Mapping):
                raise TypeError("not a JSON object")
            checks = tuple(_check(item) for item in record["checks"])
            if not checks or any(len(check.distances) != record["cases"] for check in checks):
                raise ValueError("distances and cases differ in number")
            return cls(int(record["cases"]), checks)
        except (KeyError, TypeError, ValueError) as error:
            message = "The typicality reference of the model is wrong."
            raise UserError(message, "Get the model again.", repr(error)) from error


def check_values(kind: Kind, subject: str, case: CaseDescription) -> tuple[Sequence[float], ...] | None:
    """Return what a check compares, one vector a reference: quantiles, log volume or features; `None` if unknown."""
    if kind == "intensity":
        return (case.intensities[subject],) if subject in case.intensities else None
    if kind == "size":
        return None if not case.volume_ml else ((float(np.log(case.volume_ml)),),)
    return case.features or None


def held_out_scores(checks: Sequence[Check]) -> Floats:
    """Return how unusual each training case is `(n,)`: its largest held-out distance in units of the check."""
    scores: Floats = np.max([np.asarray(check.distances) / check.unit for check in checks], axis=0)
    return scores


def _check(item: Mapping[str, Any]) -> Check:
    if item["kind"] not in KINDS:
        raise ValueError(f"unknown check {item['kind']}")
    distances, lowest, highest = (tuple(float(v) for v in item[n]) for n in ("distances", "lowest", "highest"))
    if not np.isfinite(distances).all():
        raise ValueError("a distance is not finite")
    references = tuple(ShrunkGaussian.from_dict(reference) for reference in item["references"])
    return Check(item["kind"], str(item["subject"]), references, distances, lowest, highest)
