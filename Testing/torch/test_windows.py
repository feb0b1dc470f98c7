"""Windows cover the volume, blend without seams, and equal the whole-volume pass where they must."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from LesionLensLib.inference.passes import predict_whole, predict_windows, window_places, window_weights
from LesionLensLib.networks.rsanet import RSANet


def first_channel(x: Tensor) -> NDArray[np.float32]:
    """A predictor that looks at one voxel at a time, so that windows must not change its answer."""
    return x[0].numpy()


@pytest.mark.parametrize("weights", ["gaussian", "uniform"])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_a_voxelwise_predictor_is_reproduced_everywhere(weights: str, overlap: float) -> None:
    x = torch.rand(2, 13, 20, 9)
    result = predict_windows(first_channel, x, (6, 8, 9), overlap, weights)
    np.testing.assert_allclose(result, x[0].numpy(), rtol=1e-5)


def test_one_window_over_everything_is_the_whole_volume_pass() -> None:
    torch.manual_seed(0)
    network, x = RSANet(base_width=8).eval(), torch.randn(3, 16, 12, 10)
    whole = predict_whole(network, x)
    windowed = predict_windows(lambda part: predict_whole(network, part), x, (96, 96, 96))
    np.testing.assert_allclose(windowed, whole, atol=1e-6)


def test_windows_are_flush_with_both_ends_and_overlap_enough() -> None:
    places = list(window_places((25,), (10,), 0.5))
    assert [(place[0].start, place[0].stop) for place in places] == [(0, 10), (5, 15), (10, 20), (15, 25)]
    starts = [place[0].start for place in window_places((23,), (10,), 0.5)]
    assert starts[0] == 0
    assert starts[-1] == 13
    assert max(np.diff(starts)) <= 5


def test_gaussian_blending_trusts_the_middle_of_a_window() -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 8, dtype=np.float32), (1, 1, 8))
    result = predict_windows(lambda part: ramp.copy(), torch.zeros(1, 1, 1, 12), (1, 1, 8), 0.5)[0, 0]
    # voxel 5 is the sixth of the first window and, from voxel 4 on, the second of the next
    weight = np.exp(-0.5 * (np.array([5 - 3.5, 1 - 3.5])) ** 2)
    assert result[5] == pytest.approx(float((weight * [5 / 7, 1 / 7]).sum() / weight.sum()), rel=1e-4)


def test_weights_are_symmetric_positive_and_at_most_one() -> None:
    field = window_weights((6, 7, 8), "gaussian")
    np.testing.assert_allclose(field, field[::-1, ::-1, ::-1], rtol=1e-6)
    assert field.min() > 0
    assert field.max() <= 1
    assert field[0, 0, 0] < 0.05 < field[3, 3, 4]


def test_progress_counts_windows_up_to_one() -> None:
    seen: list[float] = []
    predict_windows(first_channel, torch.rand(1, 8, 4, 4), (4, 4, 4), 0.5, report=seen.append)
    assert seen == pytest.approx([1 / 3, 2 / 3, 1])


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        predict_windows(first_channel, torch.rand(1, 4, 4, 4), (2, 2, 2), 1.0)
    with pytest.raises(ValueError, match="weights"):
        window_weights((2, 2, 2), "cosine")
