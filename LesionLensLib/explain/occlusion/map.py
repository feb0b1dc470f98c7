"""The occlusion map of an answer: how much each part of the image adds to it.

Jalalifar et al., IEEE JTEHM 2022, supplementary, section "3D Visualization": impact = |p(x) - p(x with the cube
occluded)|. Here it keeps its sign, positive where the answer falls without the cube; `OcclusionMap.absolute` is the
published form. The exact incremental method is taken where the network allows one, else the reference loop.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.explain.occlusion.coarse_to_fine import Refinement, refine
from LesionLensLib.explain.occlusion.cover import Cover
from LesionLensLib.explain.occlusion.cubes import Cubes, Mask, Triple
from LesionLensLib.explain.occlusion.evaluate import PLAIN, evaluate
from LesionLensLib.explain.occlusion.fills import make_fill
from LesionLensLib.explain.occlusion.noise import rounding_noise
from LesionLensLib.explain.occlusion.occluder import Channels
from LesionLensLib.explain.occlusion.pace import Pace, Tell, nobody
from LesionLensLib.explain.occlusion.settings import OcclusionSettings
from LesionLensLib.explain.question import Question
from LesionLensLib.geometry import Grid
from LesionLensLib.inference.pet_ct_input import LESION
from LesionLensLib.outcome.outcomes import Floats

ImpactArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class OcclusionMap:
    """Signed impacts (D, H, W) on `grid`: answer minus answer without the cube, all image channels occluded together.

    `by_role` holds the same with one channel occluded at a time. A voxel in several cubes has the mean of their
    impacts, one in none, where `covered` is false, has 0. `cubes` counts the evaluations of occluded images per subset
    of channels, `size` is the smallest cube in voxels. `method` is "incremental" or "plain", with `plain_because`.
    Impacts up to `noise`, the rounding of the answer, are 0; `silenced` counts these cubes. `answer` is that of the
    image as it is. `refinement` is there for coarse-to-fine maps.
    """

    total: ImpactArray
    by_role: Mapping[str, ImpactArray]
    covered: Mask
    grid: Grid
    answer: float
    cubes: int
    size: Triple
    method: str
    plain_because: str
    noise: float
    silenced: int
    seconds: float
    refinement: Refinement | None = None

    @property
    def absolute(self) -> ImpactArray:
        """The impacts without their sign, the published form."""
        return np.abs(self.total)


def occlusion_map(
    question: Question, settings: OcclusionSettings | None = None, progress: Tell = nobody
) -> OcclusionMap:
    """Return the occlusion map of the answer to `question`.

    `progress` receives the fraction done and a line with the time still to go; the map stops when it raises
    `Cancelled`. Raises `UserError` for a region or a stride that leaves nothing to do.
    """
    settings = settings or OcclusionSettings()
    began = time.perf_counter()
    cubes = Cubes.on_grid(question.grid, settings.size_mm, settings.stride_mm, settings.region)
    work = _Work(question, settings, rounding_noise(question), progress)
    refinement = None
    if settings.halvings:
        lattices, refinement = refine(cubes, settings.halvings, settings.cut_from, work.impacts)
    else:
        lattices = np.stack([cubes.lattice(values) for values in work.impacts(cubes)])
    total, *alone = (cubes.spread(lattice).astype(np.float32) for lattice in lattices)
    roles = [question.roles[channels[0]] for channels in work.subsets[1:]]
    return OcclusionMap(
        total=total,
        by_role=dict(zip(roles, alone, strict=True)),
        covered=cubes.covered,
        grid=question.grid,
        answer=work.answer,
        cubes=work.evaluated,
        size=cubes.size,
        method=work.method,
        plain_because=work.plain_because,
        noise=work.noise,
        silenced=work.silenced,
        seconds=time.perf_counter() - began,
        refinement=refinement,
    )


class _Work:
    """Impacts of cubes, asked for once or level by level, and what is to be reported of them."""

    def __init__(self, question: Question, settings: OcclusionSettings, noise: float, progress: Tell) -> None:
        self.question, self.settings, self.noise, self.progress = question, settings, noise, progress
        self.subsets = occluded_channels(question.roles, settings)
        self.levels, self.level = settings.halvings + 1, 0
        self.evaluated = self.silenced = 0
        self.answer, self.method, self.plain_because = float("nan"), PLAIN, ""

    def impacts(self, cubes: Cubes) -> Floats:
        """Return the impacts (S, n) of the chosen cubes, those up to the noise set to 0."""
        question, settings = self.question, self.settings
        outlines = [number for number, role in enumerate(question.roles) if role == LESION]
        fill = make_fill(settings.fill, question.image, cubes.size, outlines)
        cover = Cover(question.image, cubes.size, fill)
        pace = Pace(cubes.count, len(question.networks), self._tell)
        found = evaluate(question, cover, cubes.starts, self.subsets, pace, settings.plain, settings.batch)
        self.answer = float(question.answer_of(found.base[:, None])[0])
        self.method, self.plain_because = found.method, found.plain_because
        impacts: Floats = self.answer - np.stack([question.answer_of(scores) for scores in found.scores])
        quiet = (impacts != 0) & (np.abs(impacts) <= self.noise)
        self.evaluated += cubes.count
        self.silenced += int(np.count_nonzero(quiet.any(0)))
        self.level += 1
        return np.where(quiet, 0.0, impacts)

    def _tell(self, fraction: float, text: str) -> None:
        step = f", step {self.level + 1} of {self.levels}" if self.levels > 1 else ""
        self.progress((self.level + fraction) / self.levels, text + step)


def occluded_channels(roles: Sequence[str], settings: OcclusionSettings) -> list[Channels]:
    """Return the subsets of channels that are occluded: all images together, then for maps per channel each alone."""
    images = tuple(number for number, role in enumerate(roles) if settings.outlines or role != LESION)
    alone = [(number,) for number in images] if settings.per_channel else []
    return [images, *alone]
