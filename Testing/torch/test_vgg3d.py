"""The regression network: what it adds up, how far a voxel reaches, how large it is."""

from __future__ import annotations

import pytest
import torch

from LesionLensLib.errors import UserError
from LesionLensLib.inference.folding import fold_batch_norms
from LesionLensLib.inference.network import build_network
from LesionLensLib.networks.vgg3d import Vgg3d

SMALL = {"widths": (4, 6), "hidden": 5, "field": (8, 12, 16)}


def network(**changes: object) -> Vgg3d:
    """Return a small network at rest whose batch norms have seen something."""
    torch.manual_seed(3)
    built = Vgg3d(**{**SMALL, **changes})
    for module in built.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0.0, 0.3)
    return built.eval()


@torch.inference_mode()
def test_the_total_is_left_plus_right_and_counts_in_the_unit() -> None:
    images = torch.randn(3, 2, 8, 12, 16)
    said = network()(images)
    assert said.shape == (3, 3)
    assert torch.allclose(said[:, 0], said[:, 1] + said[:, 2], atol=1e-5)
    assert torch.allclose(network(unit=30.0)(images), 3 * said, atol=1e-4)
    assert network(adds_up=False).output.out_features == 3
    assert network(out_channels=165, adds_up=False)(images).shape == (3, 165)


@torch.inference_mode()
def test_batch_norms_fold_away_and_the_layout_changes_nothing() -> None:
    plain, images = network(), torch.randn(2, 2, 8, 12, 16)
    folded = fold_batch_norms(plain)
    assert not any(isinstance(module, torch.nn.BatchNorm3d) for module in folded.modules())
    assert torch.allclose(folded(images), plain(images), atol=1e-4)
    layout = torch.channels_last_3d
    assert torch.allclose(network().to(memory_format=layout)(images.to(memory_format=layout)), plain(images), atol=1e-4)


@torch.inference_mode()
def test_a_voxel_changes_only_the_features_near_it() -> None:
    deep, image = network(field=(32, 32, 32)), torch.randn(1, 2, 32, 32, 32)
    changed = image.clone()
    changed[0, 1, 16, 16, 29] += 5
    difference = (deep.features(changed) - deep.features(image)).abs().amax((0, 1, 2, 3))
    # Two convolutions reach 2 voxels, pooled to cells of 2, two more reach 2 of those, pooled to cells of 4: 6 voxels.
    assert difference[-1] > 0
    assert not difference[:5].any()


@torch.inference_mode()
def test_the_same_thing_on_either_side_is_not_the_same_to_the_network() -> None:
    image = torch.zeros(1, 2, 8, 12, 16)
    image[:, :, 3:5, 4:6, 2:4] = 3.0
    here, mirrored = network()(image)[0], network()(image.flip(4))[0]
    assert float((here - mirrored).abs().min()) > 1e-3


def test_the_blocks_are_those_of_the_pass() -> None:
    built = network()
    x = torch.randn(1, 2, 8, 12, 16)
    features = built.features(x)
    for block in built.blocks():
        x = block(x)
    assert torch.equal(x, features)
    assert features.shape == (1, 6, 2, 3, 4)


def test_the_shipped_size_stays_below_one_megabyte_in_half_precision() -> None:
    weights = sum(tensor.numel() for tensor in Vgg3d().parameters())
    # 3 x 3 x 3 kernels, two numbers for each batch norm, the fully connected layers with their biases.
    ends = [(2, 8), (8, 8), (8, 16), (16, 16), (16, 32), (32, 32)]
    assert weights == sum(27 * a * b + 2 * b for a, b in ends) + (32 * 6 * 8 * 6 * 32 + 32) + (32 * 2 + 2)
    assert 2 * weights < 1.0e6


@pytest.mark.parametrize("change", [{"field": [8, 12, 18]}, {"widths": []}, {"unit": 0}, {"out_channels": 2}])
def test_a_network_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    description = {"name": "vgg3d", "widths": [4, 6], "hidden": 5, "field": [8, 12, 16], **change}
    with pytest.raises(UserError, match="cannot be built"):
        build_network(description)
