"""Occlusion of the VGG-style regression, computed around the cubes, is the occlusion of whole passes."""

from __future__ import annotations

import pytest
import torch
from occlusion_cases import alike, differences, question, with_statistics

from LesionLensLib.explain.occlusion.incremental_vgg import VggOccluder
from LesionLensLib.explain.occlusion.map import occlusion_map
from LesionLensLib.explain.occlusion.settings import OcclusionSettings
from LesionLensLib.explain.readout import OutputReadout
from LesionLensLib.networks.vgg3d import Vgg3d

FIELD = (32, 40, 48)


def built(field: tuple[int, int, int] = FIELD) -> Vgg3d:
    torch.manual_seed(0)
    network = with_statistics(Vgg3d(2, 3, (4, 6, 8), 16, field, unit=100.0))
    assert isinstance(network, Vgg3d)
    torch.nn.init.zeros_(network.output.bias)
    return network


@pytest.mark.parametrize(
    ("size", "stride", "parts"), [((1, 1, 1), (1, 1, 1), 2), ((3, 3, 3), (3, 3, 3), 2), ((2, 5, 3), (1, 4, 3), 2)]
)
def test_cubes_are_followed_through_the_blocks_and_the_answer_is_that_of_whole_passes(
    size: tuple[int, int, int], stride: tuple[int, int, int], parts: int
) -> None:
    asked = question((built(),), torch.randn(1, 2, *FIELD), OutputReadout(1))

    class Followed(VggOccluder):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            assert len(self.local) >= parts

    apart, moved = differences(asked, alike(Followed), size, stride, "mean", [(0, 1), (1,)])
    assert apart < 2e-6
    assert moved > (1e-6 if size == (1, 1, 1) else 1e-5)


def test_the_map_of_an_output_is_that_of_the_reference_loop() -> None:
    field = (16, 16, 24)
    asked = question((built(field),), torch.randn(1, 2, *field), OutputReadout(2))
    quick = occlusion_map(asked, OcclusionSettings(4.0))
    plain = occlusion_map(asked, OcclusionSettings(4.0, plain=True))
    assert (quick.method, plain.method) == ("incremental", "plain")
    assert abs(quick.total - plain.total).max() < 2e-6 * max(1.0, abs(plain.answer))
    assert abs(plain.total).max() > 1e-2


def test_a_cube_that_changes_most_of_the_features_is_evaluated_by_whole_passes() -> None:
    field = (8, 8, 8)
    found = occlusion_map(question((built(field),), torch.randn(1, 2, *field), OutputReadout()), OcclusionSettings(4.0))
    assert found.method == "plain"
    assert "most of its features" in found.plain_because
