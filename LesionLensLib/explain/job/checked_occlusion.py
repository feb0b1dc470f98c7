"""By what an occlusion map is checked: the same map of other networks, and a map of other cubes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from LesionLensLib.explain.job.begun import Begun
from LesionLensLib.explain.job.explanation import MapArray
from LesionLensLib.explain.job.segmentation import fast_question
from LesionLensLib.explain.occlusion.cubes import Cubes, Mask
from LesionLensLib.explain.occlusion.map import occlusion_map
from LesionLensLib.explain.occlusion.settings import OcclusionSettings
from LesionLensLib.explain.question import Question
from LesionLensLib.inference.ladder import Tell

OTHER_CUBE = 1.5
"""A map should not change much with cubes so many times as wide."""
SAMPLED_CUBES = 24
"""The error of a rank correlation of so many cubes is about 0.2; of the mean of two draws of weights, 0.15."""


def checked_anew(begun: Begun, asked: OcclusionSettings, tell: Tell) -> dict[str, Any]:
    """Return the fields of an `Explanation` by which its map is checked: the same map anew, and one of other cubes."""
    alone = replace(asked, per_channel=False)
    variants = {}
    if begun.job.checks:
        other_mm = OTHER_CUBE * asked.size_mm
        other = replace(alone, size_mm=other_mm, stride_mm=None)
        variants = {f"cubes of {other_mm:g} mm": occlusion_map(begun.question, other, tell).total}
    return {"make_map": lambda question: occlusion_map(question, alone).total, "variants": variants}


def checked_at_a_sample(begun: Begun, asked: OcclusionSettings, tell: Tell) -> dict[str, Any]:
    """Return the same fields for a network of whole brains: both maps at a random sample of the cubes."""
    cubes = Cubes.on_grid(begun.question.grid, asked.size_mm, region=asked.region)
    sample = sample_places(cubes)
    few = replace(asked, stride_mm=None, per_channel=False, region=sample, halvings=0)

    def make_map(question: Question) -> MapArray:
        values: MapArray = occlusion_map(fast_question(question, begun.run.device), few).total[sample]
        return values

    variants = {}
    if begun.job.checks and begun.fast is not None:
        other_mm = OTHER_CUBE * asked.size_mm
        other = replace(few, size_mm=other_mm)
        variants = {f"cubes of {other_mm:g} mm": occlusion_map(begun.fast, other, tell).total[sample]}
    return {"make_map": make_map, "variants": variants, "sample": sample, "sample_of": cubes.count}


def sample_places(cubes: Cubes, count: int = SAMPLED_CUBES, seed: int = 0) -> Mask:
    """Return the middle voxels (D, H, W) of `count` of the chosen cubes, drawn at random; of all where they are fewer.

    The middle of a cube that reaches beyond the border is the last voxel.
    """
    chosen = np.random.default_rng(seed).permutation(cubes.count)[:count]
    middles = np.minimum(cubes.starts[chosen] + np.array(cubes.size) // 2, np.array(cubes.shape) - 1)
    places = np.zeros(cubes.shape, dtype=bool)
    places[tuple(middles.T)] = True
    return places
