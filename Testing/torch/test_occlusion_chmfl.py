"""Occlusion of CHMFL, computed only where a cube can change something, is the occlusion of whole passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from occlusion_cases import differences, question, with_statistics

from LesionLensLib.catalogue import find_card
from LesionLensLib.explain.occlusion.cells import Cells
from LesionLensLib.explain.occlusion.cover import Cover
from LesionLensLib.explain.occlusion.fills import make_fill
from LesionLensLib.explain.occlusion.incremental_chmfl import ChmflOccluder
from LesionLensLib.explain.occlusion.map import occlusion_map
from LesionLensLib.explain.occlusion.occluder import Unsupported
from LesionLensLib.explain.occlusion.plane_maxima import PlaneMaxima, highest_of
from LesionLensLib.explain.occlusion.settings import OcclusionSettings
from LesionLensLib.inference.folding import fold_batch_norms
from LesionLensLib.inference.outcome_network import load_outcome_networks
from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.networks.chmfl_variants import build_chmfl

SHAPE = (32, 16, 48)
ROUNDING = 2e-6
"""Of the reference and ours together, both in single precision."""
SMALL: dict[str, Any] = {"base_width": 4, "hidden": (16,), "decoder": False}
VARIANTS: dict[str, dict[str, Any]] = {
    "two levels": {"levels": 2},
    "three levels": {"levels": 3},
    "four levels": {"levels": 4},
    "five levels": {"levels": 5, "hidden": (16, 8)},
    "five levels, deepest flattened": {"levels": 5, "flatten5": SHAPE},
    "deepest level only": {"levels": 4, "hierarchical": False},
    "deepest level only, flattened": {"levels": 3, "hierarchical": False, "flatten5": SHAPE},
    "shared branches": {"levels": 3, "shared_branches": True},
    "shared branches, flattened": {"levels": 3, "shared_branches": True, "flatten5": SHAPE},
    "PET only": {"levels": 4, "branches": ((0,),)},
    "outline in both branches": {"levels": 3, "branches": ((0, 2), (1, 2))},
    "no hidden layer": {"levels": 3, "hidden": ()},
}
CUBES = [((1, 1, 1), (1, 1, 1)), ((8, 8, 8), (8, 8, 8)), ((3, 5, 2), (2, 3, 2)), ((20, 7, 50), (9, 7, 50))]


def built(**options: Any) -> CHMFL:
    torch.manual_seed(3)
    network = with_statistics(CHMFL(**{**SMALL, **options}))
    assert isinstance(network, CHMFL)
    return network


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("size", "stride"), CUBES)
def test_only_what_changes_is_computed_and_the_answer_is_that_of_whole_passes(
    variant: str, size: tuple[int, int, int], stride: tuple[int, int, int]
) -> None:
    network = built(**VARIANTS[variant])
    channels = tuple(range(network.in_channels))
    asked = question((network,), torch.randn(1, network.in_channels, *SHAPE))
    apart, moved = differences(asked, ChmflOccluder, size, stride, "mean", [channels, channels[-1:]])
    assert apart < ROUNDING
    assert moved > 1e-5


@pytest.mark.parametrize("fill", ["local-mean", "zero", "blurred"])
def test_every_fill_gives_the_same_as_whole_passes(fill: str) -> None:
    asked = question((built(levels=4),), torch.randn(1, 2, *SHAPE) + 0.5)
    apart, moved = differences(asked, ChmflOccluder, (5, 5, 5), (3, 4, 5), fill, [(0, 1), (1,)])
    assert apart < ROUNDING
    assert moved > 1e-4


def test_cubes_at_many_offsets_share_a_batch_and_keep_their_answers() -> None:
    asked = question((built(levels=4),), torch.randn(1, 2, *SHAPE))
    cover = Cover(asked.image, (3, 3, 3), make_fill("zero", asked.image, (3, 3, 3)))
    occluder = ChmflOccluder(asked, asked.networks[0], cover)  # type: ignore[arg-type]
    starts = np.random.default_rng(0).integers(0, 14, (40, 3))
    assert len(list(occluder._alike(starts))) < 8, "the cubes were not to be told apart by all of their offsets"
    together = occluder.scores(starts, [(0, 1)])[0]
    alone = [occluder.scores(starts[[number]], [(0, 1)])[0, 0] for number in range(40)]
    assert np.abs(together - np.array(alone)).max() < 1e-6


def test_the_shipped_networks_of_all_folds_are_explained_exactly() -> None:
    torch.manual_seed(5)
    image = torch.rand(1, 2, 48, 40, 40) * 2
    for (network,) in load_outcome_networks(find_card("chmfl-sarcoma")).folds:
        asked = question((network,), image)
        apart, moved = differences(asked, ChmflOccluder, (8, 8, 8), (8, 8, 8), "mean", [(0, 1)], count=1)
        assert apart < ROUNDING
        assert moved > 1e-5


def test_folded_networks_are_taken_as_they_are() -> None:
    network = built(levels=3)
    asked = question((fold_batch_norms(network),), torch.randn(1, 2, *SHAPE))
    apart, _ = differences(asked, ChmflOccluder, (4, 4, 4), (4, 4, 4), "mean", [(0, 1)])
    assert apart < ROUNDING


def test_a_cube_that_already_is_as_its_fill_changes_exactly_nothing() -> None:
    torch.manual_seed(0)
    image = torch.randn(1, 2, *SHAPE)
    image[:, :, 8:16, 0:8, 16:24] = 0
    asked = question((built(levels=4),), image)
    cover = Cover(image, (8, 8, 8), make_fill("zero", image, (8, 8, 8)))
    occluder = ChmflOccluder(asked, asked.networks[0], cover)  # type: ignore[arg-type]
    scores = occluder.scores(np.array([[8, 0, 16], [8, 8, 16]]), [(0, 1)])[0]
    assert scores[0] == occluder.base
    assert scores[1] != occluder.base


def test_with_group_norm_every_cube_changes_everything_and_the_map_says_so() -> None:
    torch.manual_seed(0)
    network = CHMFL(**SMALL, levels=2, norm="gn-c4").eval()
    asked = question((network,), torch.randn(1, 2, 8, 8, 8))
    found = occlusion_map(asked, OcclusionSettings(size_mm=4))
    assert found.method == "plain"
    assert "group norm" in found.plain_because
    assert np.abs(found.total).max() > 1e-4


def test_a_network_of_slices_is_evaluated_slice_by_slice() -> None:
    torch.manual_seed(0)
    network = build_chmfl("chmfl-2d", base_width=2, levels=2, hidden=(4,), decoder=False).eval()
    found = occlusion_map(question((network,), torch.randn(1, 2, 4, 4, 4)), OcclusionSettings(size_mm=2))
    assert found.method == "plain"
    with pytest.raises(Unsupported):
        ChmflOccluder(
            question((network,), torch.randn(1, 2, 4, 4, 4)), network.network,  # type: ignore[arg-type, union-attr]
            Cover(torch.randn(1, 2, 4, 4, 4), (1, 1, 1), make_fill("zero", torch.randn(1, 2, 4, 4, 4), (1, 1, 1))),
        )  # fmt: skip


def test_the_maximum_outside_a_box_is_that_of_all_other_cells() -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 3, 5, 6, 7)
    maxima = PlaneMaxima(features)
    boxes = torch.tensor([[0, 0, 0], [1, 2, 3], [-2, 4, 5], [3, -1, -1]])
    for first, found in zip(boxes, maxima.outside(boxes, (3, 3, 4)), strict=True):
        rest = features.clone()
        low, high = first.clamp(min=0), first + torch.tensor([3, 3, 4])
        rest[:, :, low[0] : high[0], low[1] : high[1], low[2] : high[2]] = -torch.inf
        assert torch.equal(found, rest.amax((2, 3, 4))[0])
    assert torch.equal(maxima.highest, features.amax((2, 3, 4))[0])


@pytest.mark.parametrize("counts", [(3, 4, 2), (11, 10, 12)])
def test_patches_reach_over_the_border_of_a_map(counts: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 2, 4, 5, 6)
    cells = Cells(features.shape[2:], features.device)
    first = torch.tensor([[-2, 3, 0], [1, 1, 1], [-3, -3, -4]])
    (patches,) = cells.patches((cells.table(features, border=9.0),), first, counts)
    padded = torch.nn.functional.pad(features, (16,) * 6, value=9.0)[0]
    for patch, (d, h, w) in zip(patches, (first + 16).tolist(), strict=True):
        assert torch.equal(patch, padded[:, d : d + counts[0], h : h + counts[1], w : w + counts[2]])
    assert torch.equal(highest_of(patches), patches.amax((2, 3, 4)))
    assert torch.equal(cells.volume(cells.table(features)), features)
