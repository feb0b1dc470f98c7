"""The checks of a map of a network that segments a whole brain and takes seconds a pass: few passes, all of them whole.

Parts of the image would be cheaper and were tried. Norms and attention see all that they are given, so that a part asks
another network: with 44 mm kept around single lesions of the public test patient, the mean probability in one of them
fell from 0.88 to 0.46, in another it rose from 0.94 to 1.00. Here the image stays whole. Curves have fewer steps, and
maps are made anew only at a random sample of their cubes.
"""

from __future__ import annotations

import time

import numpy as np

from LesionLensLib.explain.job.explanation import Explanation
from LesionLensLib.explain.occlusion.noise import DRAWS as NOISE_DRAWS
from LesionLensLib.explain.occlusion.pace import in_words
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.validity.assess import Validity
from LesionLensLib.explain.validity.curves import CurveSettings, draw_curves
from LesionLensLib.explain.validity.random_weights import DRAWS, random_weights_check
from LesionLensLib.explain.validity.stability import stability
from LesionLensLib.inference.ladder import Tell

CURVES = CurveSettings(steps=8, random_orders=2)
STAGES = 2
ENDS = 2
"""The whole image and the blank one, which all curves share."""
BASES = 2
"""An occlusion map also asks of the image as it is, for its impacts and for their noise."""

SMOCAM = "smocam"
NO_RANDOM_WEIGHTS = (
    "Whether the map depends on what the network learned was not checked: that would take as long as several such maps."
)


def judge_brain(question: Question, fast: Question, method: str, found: Explanation, tell: Tell) -> Validity:
    """Return what few passes say of a map; `fast` is the same `question` to the networks in their faster form."""
    told = _with_time_left(fast, found, method, tell)
    share = 0.3 if method != SMOCAM else 1.0
    curves = draw_curves(
        fast, found.values, found.signed, CURVES, lambda done, text: told(share * done, text)
    )
    random_weights, remarks = None, _remarks(found)
    if method == SMOCAM or found.make_map is None:
        remarks = (*remarks, NO_RANDOM_WEIGHTS)
    else:
        random_weights = random_weights_check(
            question, found.sampled(), found.make_map, STAGES,
            tell=lambda done, text: told(share + (1 - share) * done, text),
        )  # fmt: skip
    stable = stability(found.sampled(), found.variants) if found.variants else None
    return Validity(curves, random_weights, stable, remarks)


def _remarks(found: Explanation) -> tuple[str, ...]:
    if found.sample is None or np.count_nonzero(found.sample) == found.sample_of:
        return ()
    count = np.count_nonzero(found.sample)
    return (f"Random weights and other cubes were tried at {count} of {found.sample_of} cubes, drawn at random.",)


def _with_time_left(fast: Question, found: Explanation, method: str, tell: Tell) -> Tell:
    """Return a `Tell` that adds how long the checks will still take, by the time of one pass."""
    began = time.perf_counter()
    fast.answer  # noqa: B018 one pass, for its time
    passes = (CURVES.steps - 1) * (2 + CURVES.random_orders) + ENDS
    if method != SMOCAM:
        a_map = 1 if found.sample is None else int(np.count_nonzero(found.sample)) + NOISE_DRAWS + BASES
        passes += (STAGES + DRAWS - 1) * a_map
    seconds = passes * (time.perf_counter() - began)
    way_out = "; --no-checks leaves the checks out"
    tell(0.0, f"{passes} passes of the network to check the map, about {in_words(seconds)}{way_out}")
    return lambda done, text: tell(done, f"{text}, about {in_words((1 - done) * seconds)} left")
