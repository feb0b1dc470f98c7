"""The maps a person is shown: of the right block, at the right place, of the right network."""

from __future__ import annotations

import pytest
import torch

from LesionLensLib.networks.attention_maps import (
    nearest_feature,
    self_attention_maps,
    spatial_gate_map,
    stage_stride,
)
from LesionLensLib.networks.resnet3d import ResNet3d


def make_network(attention: str) -> ResNet3d:
    torch.manual_seed(0)
    return ResNet3d(depth=18, base_width=32, attention=attention).eval()


def test_self_attention_maps_are_those_that_the_block_uses() -> None:
    network, images = make_network("self"), torch.randn(2, 3, 40, 32, 24)
    for block in network.blocks():
        torch.nn.init.constant_(block.attention.gain, 0.5)
    seen = []
    attention = network.stages[1][1].attention
    attention.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        network(images)
        maps = self_attention_maps(network, images, 1, 1, torch.tensor([[4, 3, 2], [0, 0, 0]]))
        assert maps.shape == (2, 2, 5, 4, 3)
        assert torch.equal(maps, attention.maps_of(seen[0], torch.tensor([[4, 3, 2], [0, 0, 0]])))
        # The attention output at a target is the mean of the values, weighed by its map.
        values = attention.output(attention.value(seen[0].permute(0, 2, 3, 4, 1)))
        mixed = (maps[:, :1, ..., None] * values[:, None]).sum((2, 3, 4))[:, 0]
        by_network = (attention(seen[0]) - seen[0])[..., 4, 3, 2] / 0.5
    torch.testing.assert_close(mixed, by_network, atol=1e-4, rtol=1e-4)


def test_the_spatial_gate_is_the_one_that_the_network_applies() -> None:
    network, images = make_network("cbam"), torch.randn(1, 3, 70, 64, 40)
    with torch.inference_mode():
        gate = spatial_gate_map(network, images)
        features = network.features(images)
        by_network = network.cbam(features) / (features * network.cbam.channel_gate(features))
    assert gate.shape == (1, 1, 3, 2, 2)
    used = torch.nan_to_num(by_network, nan=0.0)
    torch.testing.assert_close(used.amax(1, keepdim=True), gate, atol=1e-5, rtol=0)


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_a_feature_voxel_is_centred_on_the_image_voxel_stride_times_its_index(stage: int) -> None:
    """With positive weights the gradient shows which image voxels have an influence: they lie around the centre.

    Maximum pooling passes its gradient to one voxel only; averaging over the same window shows the whole window.
    """
    network = ResNet3d(1, depth=10, base_width=8, attention="none", recipe="standard").eval()
    for parameter in network.parameters():
        torch.nn.init.ones_(parameter)
    network.pool = torch.nn.AvgPool3d(network.pool.kernel_size, network.pool.stride, network.pool.padding)
    side, stride = 33 * 2 ** (stage + 2), stage_stride(stage)
    image = torch.ones(1, 1, side, 9, 9, requires_grad=True)
    x = network.stem_features(image)
    for number in range(stage + 1):
        x = network.stages[number](x)
    assert x.shape[2] == -(-side // stride)
    x[0, 0, 16, 0, 0].backward()
    reached = image.grad[0, 0].sum((1, 2)).nonzero().flatten()
    assert 16 * stride - int(reached.min()) == int(reached.max()) - 16 * stride > 0


def test_image_voxels_find_the_nearest_feature_voxel() -> None:
    voxels = torch.tensor([[0.0, 9.0, 11.0], [39.0, 31.0, 2.4]])
    assert nearest_feature(voxels, 1, (40, 32, 24)).tolist() == [[0, 1, 1], [4, 3, 0]]


def test_a_network_without_that_attention_says_so() -> None:
    images, target = torch.randn(1, 3, 16, 16, 16), torch.tensor([[0, 0, 0]])
    with pytest.raises(ValueError, match="no self-attention"):
        self_attention_maps(make_network("cbam"), images, 0, 0, target)
    with pytest.raises(ValueError, match="no CBAM"):
        spatial_gate_map(make_network("self"), images)
    with pytest.raises(ValueError, match="no block 2 in stage 3"):
        self_attention_maps(make_network("self"), images, 3, 2, target)
