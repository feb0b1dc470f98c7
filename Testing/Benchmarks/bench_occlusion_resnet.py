"""Occlusion of ResNet-18 with self-attention at 96 x 96 x 96: MONAI with textbook attention, and our own plain loop.

What is exact to save depends on the norm, so both recipes are measured: with batch norm (the standard recipe) stem,
first block and most of the first attention, with group norm (Big Transfer) the stem alone.
"""

from __future__ import annotations

import copy
import time
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

from LesionLensLib.explain.occlusion.cover import Cover
from LesionLensLib.explain.occlusion.cubes import Starts
from LesionLensLib.explain.occlusion.fills import make_fill
from LesionLensLib.explain.occlusion.incremental_resnet import ResnetOccluder
from LesionLensLib.explain.occlusion.naive import NaiveOccluder
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import RiskReadout
from LesionLensLib.geometry import Grid
from LesionLensLib.inference.memory import available_memory
from LesionLensLib.networks.resnet3d import ResNet3d
from Testing.Benchmarks.bench_attention_resnet import SIDE, VOXELS, TextbookAttention
from Testing.Benchmarks.bench_occlusion_chmfl import on_one_thread, run_monai
from Testing.Benchmarks.harness import Measured, Skipped, alternate, benchmark

CUBE = 8
FIRST = (40, 40, 40)
CHANNELS = (0, 1, 2)
MONAI, PLAIN, OURS = "MONAI, textbook attention", "own plain loop", "ours"
PEER = "MONAI OcclusionSensitivity on the same weights, attention as product, softmax, product; all float32, one core"


@cache
def measured(recipe: str) -> dict[str, Any]:
    """Measure seconds of a cube in every form, and how far the answers are apart."""
    free, needed = available_memory(), 2.5 * 4 * VOXELS**2
    if free is not None and free < needed:
        raise Skipped(f"the stored map needs {needed / 1e9:.0f} GB of free memory")
    torch.manual_seed(0)
    network, image = ResNet3d(recipe=recipe).eval(), torch.randn(1, len(CHANNELS), SIDE, SIDE, SIDE)
    for block in network.blocks():
        nn.init.constant_(block.attention.gain, 0.3)
    textbook = copy.deepcopy(network)
    for block in textbook.blocks():
        block.attention = TextbookAttention(block.attention)
    grid = Grid((SIDE,) * 3, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    asked = Question((network,), image, grid, ("T1c", "FLAIR", "T1"), RiskReadout())
    cover = Cover(image, (CUBE,) * 3, make_fill("zero", image, (CUBE,) * 3))
    pair: Starts = np.array([FIRST, (*FIRST[:2], FIRST[2] + CUBE)])
    ours = on_one_thread(lambda: ResnetOccluder(asked, network, cover))()
    plain = on_one_thread(lambda: NaiveOccluder(asked, network, cover, 1))()
    forms = {
        MONAI: on_one_thread(lambda: run_monai(textbook, image, FIRST).numpy()),
        PLAIN: on_one_thread(lambda: np.concatenate([plain.scores(pair[[n]], [CHANNELS])[0] for n in range(2)])),
        OURS: on_one_thread(lambda: ours.scores(pair, [CHANNELS])[0]),
    }
    answers = {form: run() for form, run in forms.items()}
    risks = [answers[MONAI], *(asked.readout.answer(answers[form]) for form in (PLAIN, OURS))]
    seconds = alternate(forms, rounds=3, clock=time.process_time)
    return {
        "recipe": recipe,
        "size": [SIDE] * 3,
        "cube_voxels": CUBE,
        "cpu_seconds_a_cube": {form: value / len(pair) for form, value in seconds.items()},
        "largest_difference": float(max(np.abs(risk - risks[0]).max() for risk in risks)),
        "blocks_in_parts": len(ours.local),
    }


def _ratio(peer: str, text: str) -> Measured:
    cases = [measured(recipe) for recipe in ("standard", "bit")]
    seconds = cases[0]["cpu_seconds_a_cube"]
    return Measured(seconds[peer] / seconds[OURS], text, cases)


@benchmark("occlusion_resnet_vs_monai", "peer / ours", ">= 10")
def occlusion_resnet_vs_monai() -> Measured:
    """Seconds of a cube of 8 voxels in all channels, standard recipe; Big Transfer is in the cases as well."""
    return _ratio(MONAI, PEER)


@benchmark("occlusion_resnet_vs_plain", "peer / ours", ">= 1.7")
def occlusion_resnet_vs_plain() -> Measured:
    """The same against a full pass for each cube of the network as it was trained."""
    return _ratio(PLAIN, "our reference loop: a pass of the network as trained for each cube, float32, one core")
