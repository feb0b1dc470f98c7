"""Occlusion of CHMFL's encoder at the paper's 144 x 112 x 112 voxels: MONAI, and every single voxel."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from LesionLensLib.explain.occlusion.cover import Cover
from LesionLensLib.explain.occlusion.cubes import Cubes, Starts, Triple
from LesionLensLib.explain.occlusion.fills import make_fill
from LesionLensLib.explain.occlusion.incremental_chmfl import ChmflOccluder
from LesionLensLib.explain.occlusion.map import occlusion_map
from LesionLensLib.explain.occlusion.naive import NaiveOccluder
from LesionLensLib.explain.occlusion.settings import OcclusionSettings
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import RiskReadout
from LesionLensLib.geometry import Grid
from LesionLensLib.inference.pet_ct_input import LESION
from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.networks.chmfl_variants import PAPER_GRID
from Testing.Benchmarks.harness import REPOSITORY, Measured, alternate, benchmark
from Testing.Benchmarks.peak import high_water_mb

SIDE = 8
FIRST = (64, 48, 48)
"""First voxel of the two cubes that both tools evaluate."""
CUBES_A_ROUND = 512
PEER = "MONAI OcclusionSensitivity, one image at a time, the same encoder and head in float32; one core"
MONAI, OURS, ONE = "MONAI, both channels", "ours, both channels", "ours, one channel"


class Outcome(nn.Module):
    """What MONAI is shown: the outcome logits, without the decoder."""

    def __init__(self, network: CHMFL) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network.outcome_logits(x)


@cache
def case() -> Question:
    """Return CHMFL with five levels and random weights, calibrated to answer 0.5 for a random image.

    An untrained network is often so sure that no cube could move its probability.
    """
    torch.manual_seed(0)
    network, image = CHMFL(decoder=False).eval(), torch.randn(1, 2, *PAPER_GRID)
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm3d)):
        norm.running_mean.uniform_(-0.2, 0.2)
        norm.running_var.uniform_(0.7, 1.3)
    last = network.head.layers[-1]
    with torch.inference_mode():
        logits = network.outcome_logits(image)[0]
        last.bias -= logits
    grid = Grid(PAPER_GRID[::-1], (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    return Question((network,), image, grid, ("PET", "CT"), RiskReadout())


def on_one_thread(run: Callable[[], Any]) -> Callable[[], Any]:
    """Return `run` without gradients and on one thread of torch."""

    def alone() -> Any:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                return run()
        finally:
            torch.set_num_threads(threads)

    return alone


def run_monai(network: nn.Module, image: Tensor, first: Triple, side: int = SIDE) -> Tensor:
    """Return the probabilities (2,) of the event with either of two cubes, neighbours along W, occluded by 0."""
    from monai.visualize import OcclusionSensitivity

    peer = OcclusionSensitivity(network, mask_size=side, n_batch=1, mode=0.0, overlap=0.0, verbose=False)
    margin = (side - 1) // 2
    sides = (side, side, 2 * side)
    box = [end for low, length in zip(first, sides, strict=True) for end in (low + margin, low + length - margin)]
    found = peer(image, b_box=box)[0][0, 1].flatten()
    return found[[0, -1]]


@cache
def measured() -> dict[str, Any]:
    """Measure seconds of a cube and how far the answers of the two cubes are apart, once for both rows."""
    asked = case()
    network = asked.networks[0]
    cover = Cover(asked.image, (SIDE,) * 3, make_fill("zero", asked.image, (SIDE,) * 3))
    began = time.process_time()
    occluder = on_one_thread(lambda: ChmflOccluder(asked, network, cover))()
    prepared = time.process_time() - began
    starts = Cubes.covering(asked.grid.shape, cover.size, cover.size).starts
    some = starts[np.concatenate(occluder.batches(starts))[:CUBES_A_ROUND]]
    forms = {
        MONAI: on_one_thread(lambda: run_monai(Outcome(network), asked.image, FIRST)),
        OURS: on_one_thread(lambda: occluder.scores(some, [(0, 1)])),
        ONE: on_one_thread(lambda: occluder.scores(some, [(0,)])),
    }
    seconds = alternate(forms, rounds=3, clock=time.process_time)
    cubes = {MONAI: 2, OURS: len(some), ONE: len(some)}
    pair: Starts = np.array([FIRST, (*FIRST[:2], FIRST[2] + SIDE)])
    ours = asked.answer_of(occluder.scores(pair, [(0, 1)]))
    return {
        "size": list(PAPER_GRID),
        "cube_voxels": SIDE,
        "cubes_of_a_map": len(starts),
        "cpu_seconds_a_cube": {form: value / cubes[form] for form, value in seconds.items()},
        "cpu_seconds_to_prepare": prepared,
        "largest_difference": float(np.abs(ours - forms[MONAI]().numpy()).max()),
        "impacts": (asked.answer - ours).tolist(),
    }


@benchmark("occlusion_chmfl_vs_monai", "peer / ours", ">= 1000")
def occlusion_chmfl_vs_monai() -> Measured:
    """Seconds of a cube of 8 voxels in both channels; the preparation, a pass and its tables, is in the case."""
    seconds = measured()["cpu_seconds_a_cube"]
    return Measured(seconds[MONAI] / seconds[OURS], PEER, [measured()])


@benchmark("occlusion_chmfl_every_voxel_seconds", "s", "<= 180")
def occlusion_chmfl_every_voxel_seconds() -> Measured:
    """The whole job for 1.81 million voxels of one channel in a process of its own, on all cores."""
    command = [sys.executable, "-m", "Testing.Benchmarks.bench_occlusion_chmfl"]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"exit code {run.returncode}: {run.stderr.strip()[-500:]}")
    figures = json.loads(run.stdout.splitlines()[-1])
    return Measured(figures["seconds"], "no peer: MONAI would take a month", [figures])


def main() -> None:
    """Occlude every voxel of PET, CT being left as an outline would be; print the figures and check some voxels."""
    asked = case()
    asked = replace(asked, roles=("PET", LESION))
    before = high_water_mb()
    began, worked = time.perf_counter(), time.process_time()
    found = occlusion_map(asked, OcclusionSettings(1.0))
    wall, cpu = time.perf_counter() - began, time.process_time() - worked
    cover = Cover(asked.image, (1, 1, 1), make_fill("mean", asked.image, (1, 1, 1), [1]))
    reference = NaiveOccluder(asked, asked.networks[0], cover)
    strongest = np.unravel_index(np.argsort(found.absolute, axis=None)[-4:], found.total.shape)
    checked: Starts = np.vstack([np.array(strongest).T, (0, 0, 0), np.array(PAPER_GRID) - 1])
    answers = [asked.answer_of(reference.scores(checked[[n]], [(0,)])[:, 0])[()] for n in range(len(checked))]
    impacts = asked.answer - np.array(answers)
    figures = {
        "seconds": wall,
        "cpu_seconds": cpu,
        "threads": torch.get_num_threads(),
        "added_mb": high_water_mb() - before,
        "voxels": found.cubes,
        "noise": found.noise,
        "silenced": found.silenced,
        "strongest": float(found.absolute.max()),
        "largest_difference": float(np.abs(found.total[tuple(checked.T)] - impacts).max()),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
