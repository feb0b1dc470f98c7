"""How long SMOCAM takes for the outcome models, and what running only the tail of a network saves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import LesionLensError
from LesionLensLib.explain.layers.choice import asked_layers
from LesionLensLib.explain.masked_score import MaskedScore, for_search
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import RiskReadout
from LesionLensLib.explain.smocam import SmocamSettings, smocam
from LesionLensLib.geometry import Grid
from LesionLensLib.inference.outcome_network import load_outcome_networks
from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.networks.resnet3d import ResNet3d
from Testing.Benchmarks.harness import Measured, alternate, benchmark

SIGMA = 1.0
STEPS = 2
LARGE, LAYER = (80, 128, 128), "stage 2"


def sarcoma_networks() -> tuple[tuple[nn.Module, ...], str]:
    """Return the networks of the shipped model, or six of its shape with seeded random weights, and which they are."""
    torch.manual_seed(0)
    drawn = [CHMFL(levels=4, base_width=16, hidden=[64], decoder=False).eval() for _ in range(6)]
    return _shipped("chmfl-sarcoma", drawn)


def brain_networks() -> tuple[tuple[nn.Module, ...], str]:
    """Return the networks of the shipped model, or four of its shape with seeded random weights, and which they are."""
    torch.manual_seed(0)
    drawn = [ResNet3d(3, 2, 10, 16, "self", stages=3, groups=8).eval() for _ in range(4)]
    return _shipped("attention-resnet-brainmet", drawn)


def _shipped(model: str, drawn: Sequence[nn.Module]) -> tuple[tuple[nn.Module, ...], str]:
    try:
        networks = load_outcome_networks(find_card(model))
    except LesionLensError:
        return tuple(drawn), "random weights"
    return tuple(network for fold in networks.folds for network in fold) or networks.final, f"weights of {model}"


def question_of(networks: tuple[nn.Module, ...], channels: int, size: tuple[int, int, int]) -> Question:
    """Return the question of an image of random numbers: what is timed does not depend on what it shows."""
    torch.manual_seed(1)
    grid = Grid(size[::-1], (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    roles = tuple(f"channel {number}" for number in range(channels))
    return Question(networks, torch.rand(1, channels, *size), grid, roles, RiskReadout())


@benchmark("smocam_seconds", "s", "<= 20")
def smocam_seconds() -> Measured:
    """The sum over both outcome models, all networks of each; wall-clock time on as many threads as torch takes."""
    cases: list[dict[str, Any]] = []
    for make, channels, size in ((sarcoma_networks, 2, (48, 40, 40)), (brain_networks, 3, (48, 48, 48))):
        networks, weights = make()
        asked = question_of(networks, channels, size)
        smocam(asked, SIGMA, SmocamSettings(iterations=2))
        started, worked = time.perf_counter(), time.process_time()
        found = smocam(asked, SIGMA).diagnostics
        seconds = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - worked}
        shape = {"networks": len(networks), "size": list(size), "layer": found.layer, "iterations": found.iterations}
        cases.append({"weights": weights, **shape, **seconds, "threads": torch.get_num_threads()})
    return Measured(sum(case["seconds"] for case in cases), "no peer: the poster gives about 40 s on its GPU", cases)


@benchmark("smocam_tail_vs_whole_network", "peer / ours", ">= 5")
def smocam_tail_vs_whole_network() -> Measured:
    """A few iterations of a ResNet-18 at 80 x 128 x 128, mask after stage 2, against a loop over the whole network."""
    torch.manual_seed(0)
    asked = question_of((ResNet3d(3, 2, 18, 64, "none").eval(),), 3, LARGE)
    layer, score = asked_layers(asked, LAYER)[0], MaskedScore(for_search(asked), LAYER)
    mask = torch.full(layer.size, 0.1, requires_grad=True)

    def tail_only() -> None:
        for _ in range(STEPS):
            torch.autograd.grad(score.moved(mask).abs(), mask)

    def whole_network() -> None:
        for _ in range(STEPS):
            cut = layer.cut(asked.image)
            moved = asked.readout.score(cut.tail([each * mask for each in cut.features]))[0] - score.score
            moved.abs().backward()
            asked.networks[0].zero_grad(set_to_none=True)

    seconds = alternate({"tail": tail_only, "whole": whole_network}, rounds=3, clock=time.process_time)
    case = {"layer": LAYER, "mask": list(layer.size), "iterations": STEPS, "cpu_seconds": seconds}
    peer = "the same iterations through the whole network, its weights not frozen"
    return Measured(seconds["whole"] / seconds["tail"], peer, [case])
