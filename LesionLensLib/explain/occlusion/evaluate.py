"""All networks of a question on all cubes: which method each network allows, and the work spread over the cores."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from LesionLensLib.explain.occlusion.cover import Cover
from LesionLensLib.explain.occlusion.cubes import Starts
from LesionLensLib.explain.occlusion.incremental_chmfl import ChmflOccluder
from LesionLensLib.explain.occlusion.incremental_resnet import ResnetOccluder
from LesionLensLib.explain.occlusion.incremental_vgg import VggOccluder
from LesionLensLib.explain.occlusion.naive import NaiveOccluder
from LesionLensLib.explain.occlusion.occluder import Channels, Occluder, Unsupported
from LesionLensLib.explain.occlusion.pace import Pace
from LesionLensLib.explain.question import Question
from LesionLensLib.inference.cpu import usable_cores
from LesionLensLib.inference.workers import Workers
from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.networks.vgg3d import Vgg3d
from LesionLensLib.outcome.outcomes import Floats

INCREMENTAL, PLAIN = "incremental", "plain"
SECONDS_BETWEEN_REPORTS = 0.3


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores (S, K, n) of K networks with each of n cubes occluded in each of S subsets of channels.

    `base` (K,) are the scores of the image as it is. `plain_because` says why networks were evaluated cube by cube;
    empty where only the changes were.
    """

    scores: Floats
    base: Floats
    plain_because: str

    @property
    def method(self) -> str:
        """How the scores were found."""
        return PLAIN if self.plain_because else INCREMENTAL


def evaluate(
    question: Question,
    cover: Cover,
    starts: Starts,
    subsets: Sequence[Channels],
    pace: Pace,
    plain: bool = False,
    batch: int | None = None,
) -> Evaluation:
    """Return what every network of `question` says with the cubes at `starts` (n, 3) occluded.

    With `plain` the reference loop is taken even where less would do; `batch` is the number of its images in a pass.
    """
    networks = question.networks
    scores, base = np.zeros((len(subsets), len(networks), len(starts))), np.zeros(len(networks))
    reasons: list[str] = []
    for number, network in enumerate(networks):
        pace.prepare(f"the whole image once, network {number + 1} of {len(networks)}")
        occluder, reason = _occluder(question, network, cover, plain, batch)
        reasons += [reason] if reason and reason not in reasons else []
        base[number] = occluder.base
        pace.resume()
        # A whole pass has work for all cores and needs the more memory: only small parts are computed side by side.
        side_by_side = 1 if reason or cover.image.device.type != "cpu" else usable_cores()
        _evaluate_network(occluder, starts, subsets, scores[:, number], pace, side_by_side)
    return Evaluation(scores, base, "; ".join(reasons))


def _occluder(
    question: Question, network: nn.Module, cover: Cover, plain: bool, batch: int | None
) -> tuple[Occluder, str]:
    """Return the fastest way to evaluate a network that is exact, and why it is the plain one if it is."""
    reason = "asked for"
    if not plain:
        try:
            return _incremental(question, network, cover), ""
        except Unsupported as error:
            reason = str(error)
    return NaiveOccluder(question, network, cover, batch), reason


def _incremental(question: Question, network: nn.Module, cover: Cover) -> Occluder:
    if isinstance(network, CHMFL) and question.asks_risk:
        return ChmflOccluder(question, network, cover)
    if isinstance(network, ResNet3d):
        return ResnetOccluder(question, network, cover)
    if isinstance(network, Vgg3d):
        return VggOccluder(question, network, cover)
    raise Unsupported(f"{type(network).__name__} is not evaluated in parts")


def _evaluate_network(
    occluder: Occluder, starts: Starts, subsets: Sequence[Channels], scores: Floats, pace: Pace, side_by_side: int
) -> None:
    """Fill `scores` (S, n), so many batches at a time, and tell every now and then."""
    batches = occluder.batches(starts)
    at_once, done = side_by_side, 0
    with Workers(side_by_side) as workers:
        while done < len(batches):
            began, group = time.perf_counter(), batches[done : done + at_once]
            found = workers.map(lambda numbers: occluder.scores(starts[numbers], subsets), group)
            for numbers, part in zip(group, found, strict=True):
                scores[:, numbers] = part
            done += len(group)
            pace.add(sum(len(numbers) for numbers in group))
            if time.perf_counter() - began < SECONDS_BETWEEN_REPORTS:
                at_once *= 2
