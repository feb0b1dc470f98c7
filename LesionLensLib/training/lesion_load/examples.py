"""Examples with known loads: lesions drawn from a soil, each side for itself, then head and scanner changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from LesionLensLib.inference.brain_lesion_input import open_scores
from LesionLensLib.training.brain import BoolArray
from LesionLensLib.training.lesion_load.augmentation import (
    LoadAugmentation,
    as_another_scanner,
    change_outline,
    change_scores,
    move,
)
from LesionLensLib.training.lesion_load.recipe import KINDS, LoadRange, LoadRecipe
from LesionLensLib.training.lesion_load.soil import LEFT, RIGHT, LoadSoil, left_half
from LesionLensLib.training.team import ALONE, Team

STILL = LoadAugmentation()


class LoadBatch(NamedTuple):
    """`images` (N, C, D, H, W) as z-scores, `loads` (N, 3) in ml: total, left, right; lesion `shares` (N, D, H, W)."""

    images: Tensor
    loads: Tensor
    shares: Tensor


@dataclass(frozen=True, eq=False)
class LoadExample:
    """One simulated head: `images` (C, D, H, W) as z-scores, `loads_ml` (total, left, right), `share` of lesion."""

    images: Tensor
    loads_ml: Tensor
    share: Tensor
    case: str
    patient: str


class LoadBatches:
    """Numbered batches: batch n depends on the soils, the recipe and n alone, so a resumed run sees the same ones."""

    def __init__(self, soils: Sequence[LoadSoil], recipe: LoadRecipe, team: Team = ALONE) -> None:
        self.soils, self.recipe, self.team = list(soils), recipe, team
        self._groups = _by_kind_and_patient(self.soils, recipe.soils.shares)

    def batch(self, number: int) -> LoadBatch:
        """Return this process's rows of batch `number`."""
        size = self.recipe.batch
        examples = [self.example(number * size + row) for row in self.team.rows(size)]
        images, loads, shares = zip(*((each.images, each.loads_ml, each.share) for each in examples), strict=True)
        return LoadBatch(torch.stack(images), torch.stack(loads), torch.stack(shares))

    def example(self, place: int, stream: int = 1) -> LoadExample:
        """Return training example number `place` with the loads that are taught; another `stream` has other examples.

        With the bias "left" the load of the left is taught for both sides.
        """
        rng = np.random.default_rng((self.recipe.seed, stream, place))
        bias = self.recipe.bias
        example = draw_example(self._choose(rng), self.recipe, self.recipe.augmentation, rng, bias == "mirrored")
        if bias == "left":
            left = example.loads_ml[1]
            return replace(example, loads_ml=torch.stack([2 * left, left, left]))
        return example

    def _choose(self, rng: np.random.Generator) -> LoadSoil:
        """Choose the kind first, then the patient, so that a patient with two visits counts once."""
        shares = np.array([share for share, _ in self._groups])
        _, patients = self._groups[int(rng.choice(len(shares), p=shares / shares.sum()))]
        soils = patients[int(rng.integers(len(patients)))]
        return soils[int(rng.integers(len(soils)))]


def draw_example(
    soil: LoadSoil,
    recipe: LoadRecipe,
    augmentation: LoadAugmentation,
    rng: np.random.Generator,
    mirrored: bool = False,
) -> LoadExample:
    """Return a head with lesions drawn from `soil`; its loads are measured after everything moved.

    With `mirrored` the lesions of the right lie on the left too, and no others.
    """
    keep = choose_parts(soil, recipe.loads, rng)
    strength = float(rng.uniform(*recipe.loads.strength))
    images, share = compose(soil, keep, strength, mirrored)
    masks = torch.stack([share, torch.from_numpy(soil.brain).float()])
    if augmentation != STILL:
        images, masks = move(images, masks, recipe.spacing_mm, augmentation, rng)
    loads = measure(masks[0], recipe.spacing_mm)
    inside = masks[1] > 0.5
    if augmentation != STILL:
        images = torch.stack([as_another_scanner(image, inside, augmentation, rng) for image in images])
        inside = change_outline(inside, augmentation, rng)
    pairs = zip(images, recipe.roles, strict=True)
    scores = torch.stack([torch.from_numpy(open_scores(each.numpy(), inside.numpy(), role)) for each, role in pairs])
    return LoadExample(change_scores(scores, inside, augmentation, rng), loads, masks[0], soil.case, soil.patient)


def choose_parts(soil: LoadSoil, limits: LoadRange, rng: np.random.Generator) -> BoolArray:
    """Return which parts (parts + 1,) are there: on each side, in random order, those that fit into a random load."""
    keep = np.zeros(len(soil.sides), bool)
    keep[0] = True
    if rng.random() < limits.healed_chance:
        return keep
    for side in (LEFT, RIGHT):
        room = limits.most_ml * rng.random() ** limits.lightness * (rng.random() >= limits.empty_chance)
        for part in rng.permutation(np.flatnonzero(soil.sides == side)):
            if soil.part_ml[part] <= room:
                keep[part] = True
                room -= soil.part_ml[part]
    return keep


def compose(soil: LoadSoil, keep: BoolArray, strength: float, mirrored: bool = False) -> tuple[Tensor, Tensor]:
    """Return the channels (C, D, H, W) with the parts of `keep`, and the share of lesion in each voxel (D, H, W).

    With `mirrored`, what lies on the right is repeated on the left in place of what is there.
    """
    here: NDArray[np.float32] = keep[soil.parts].astype(np.float32)
    added, share = soil.added * here, soil.share * here
    if mirrored:
        left = left_half(share.shape)
        added, share = (np.where(left, array[..., ::-1], array) for array in (added, share))
    images = soil.healed.astype(np.float32) + strength * added
    return torch.from_numpy(np.maximum(images, 0)), torch.from_numpy(share.astype(np.float32))


def measure(share: Tensor, spacing_mm: float) -> Tensor:
    """Return total, left and right in ml of a share map (D, H, W) of a box along L, P, S."""
    along_i = share.sum((0, 1)) * spacing_mm**3 / 1000
    right, left = along_i.chunk(2)
    return torch.stack([along_i.sum(), left.sum(), right.sum()])


def _by_kind_and_patient(
    soils: Sequence[LoadSoil], shares: Sequence[float]
) -> list[tuple[float, list[list[LoadSoil]]]]:
    groups = []
    for kind, share in zip(KINDS, shares, strict=True):
        patients: dict[str, list[LoadSoil]] = {}
        for soil in soils:
            if soil.kind == kind:
                patients.setdefault(soil.patient, []).append(soil)
        if patients and share > 0:
            groups.append((share, list(patients.values())))
    if not groups:
        raise ValueError("there are no soils of a kind that the recipe's shares allow")
    return groups
