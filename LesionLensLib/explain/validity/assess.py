"""All checks of one map together: the numbers and the sentences that stand beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from LesionLensLib.explain.question import Question
from LesionLensLib.explain.validity.curves import Curves, CurveSettings, draw_curves
from LesionLensLib.explain.validity.random_weights import RandomWeights, random_weights_check
from LesionLensLib.explain.validity.similarity import MakeMap, Map
from LesionLensLib.explain.validity.stability import Stability, maps_of_single_networks, stability
from LesionLensLib.inference.ladder import Tell

NOTHING_TO_COMPARE = "There was nothing to compare the map with, so nothing is known of its stability."
_DIGITS = 6


@dataclass(frozen=True, eq=False)
class Validity:
    """What the checks found; `stability` is None where there was nothing to compare the map with.

    `random_weights` is None where that check was left out, which `remarks` then say, as they do of checks that were
    made with a part of the map.
    """

    curves: Curves
    random_weights: RandomWeights | None
    stability: Stability | None
    remarks: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """One plain sentence for each check, and the remarks."""
        learned = () if self.random_weights is None else (self.random_weights.text,)
        stable = NOTHING_TO_COMPARE if self.stability is None else self.stability.text
        return (self.curves.text, *learned, stable, *self.remarks)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values for the report."""
        curves, learned, stable = self.curves, self.random_weights, self.stability
        cascade = () if learned is None else learned.cascade
        record: dict[str, Any] = {
            "deletion_auc": round(curves.deletion_auc, _DIGITS),
            "insertion_auc": round(curves.insertion_auc, _DIGITS),
            "random_auc": round(curves.random_auc, _DIGITS),
            "auc_of": "1 - answer" if curves.reversed else "answer",
            **self._kept(),
            "random_weights_correlation": None if learned is None else round(learned.correlation, _DIGITS),
            "random_weights": {part: round(value, _DIGITS) for part, value in cascade},
            "stability": None if stable is None else round(stable.value, _DIGITS),
            "stability_top_dice": None if stable is None else round(stable.dice, _DIGITS),
            "text": " ".join(self.sentences),
        }
        return record

    def _kept(self) -> dict[str, float | None]:
        """Return the areas counted from the blank image's answer to the whole one's, for comparing cases."""
        curves = self.curves
        areas = {"deletion": curves.deletion_auc, "insertion": curves.insertion_auc, "random": curves.random_auc}
        counted = {name: float(curves.kept(value)) if curves.comparable else None for name, value in areas.items()}
        return {f"{name}_auc_normalised": None if v is None else round(v, _DIGITS) for name, v in counted.items()}


def assess(
    question: Question,
    values: Map,
    make_map: MakeMap,
    signed: bool = False,
    variants: Mapping[str, Map] | None = None,
    settings: CurveSettings | None = None,
    tell: Tell | None = None,
) -> Validity:
    """Return how far the map `values` (D, H, W) of `question`, which `make_map` made, can be believed.

    `variants` are maps of other choices, such as another size of cubes; those of single networks of an ensemble are
    added. Cost: 62 passes of every network for the curves, five maps with random weights, and up to three maps of a
    single network.
    """

    def told(start: float, end: float) -> Tell | None:
        return None if tell is None else lambda share, text: tell(start + (end - start) * share, text)

    curves = draw_curves(question, values, signed, settings, told(0.0, 0.3))
    random_weights = random_weights_check(question, values, make_map, tell=told(0.3, 0.8))
    others = {**(variants or {}), **maps_of_single_networks(question, make_map)}
    if tell is not None:
        tell(1.0, "the map is judged")
    return Validity(curves, random_weights, stability(values, others) if others else None)
