"""Transfer from a checkpoint: what arrives, what starts anew, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv3d

from LesionLensLib.errors import UserError
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.training.clip_checkpoints import average_channels, fit_kernel, own_name
from LesionLensLib.training.transfer import transfer_weights, zero_head


def make_network(seed: int = 0, **options: Any) -> ResNet3d:
    torch.manual_seed(seed)
    return ResNet3d(**{"depth": 10, "base_width": 32, "attention": "none", "recipe": "bit"} | options).eval()


def write(folder: Path, tensors: dict[str, Tensor]) -> Path:
    path = folder / "source.safetensors"
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path)
    return path


def torchvision_video_name(name: str) -> str:
    """The name in torchvision's video ResNet of what `ResNet3d` calls `name`."""
    for ours, theirs in (("stem.conv", "stem.0"), ("stem.norm", "stem.1"), ("classifier", "fc"),
                         (".first.conv", ".conv1.0"), (".first.norm", ".conv1.1"), (".second.conv", ".conv2.0"),
                         (".second.norm", ".conv2.1"), ("shortcut.conv", "downsample.0"),
                         ("shortcut.norm", "downsample.1")):  # fmt: skip
        name = name.replace(ours, theirs)
    return re.sub(r"stages\.(\d)", lambda found: f"layer{int(found[1]) + 1}", name)


def test_a_zeroed_head_gives_one_half_whatever_the_image() -> None:
    network = make_network(attention="self")
    zero_head(network)
    assert torch.equal(network(torch.randn(2, 3, 16, 16, 16)).softmax(1), torch.full((2, 2), 0.5))


def test_everything_but_the_head_arrives(tmp_path: Path) -> None:
    source, network = make_network(1, out_channels=7), make_network(2)
    report = transfer_weights(network, write(tmp_path, source.state_dict()), average_stem=False)
    x = torch.randn(1, 3, 24, 24, 24)
    assert torch.equal(network.features(x), source.features(x))
    assert report.fresh == ("classifier.weight", "classifier.bias")
    assert torch.equal(network(x).softmax(1), torch.full((1, 2), 0.5))


def test_the_first_step_moves_a_zeroed_head(tmp_path: Path) -> None:
    network = make_network(2)
    transfer_weights(network, write(tmp_path, make_network(1).state_dict()))
    nn.functional.cross_entropy(network.train()(torch.randn(1, 3, 24, 24, 24)), torch.tensor([1])).backward()
    assert network.classifier.weight.grad.abs().max() > 0


@pytest.mark.parametrize("in_channels", [1, 3, 4])
def test_an_averaged_stem_answers_grey_images_as_the_clip_network_does(tmp_path: Path, in_channels: int) -> None:
    source, network = make_network(1, recipe="standard"), make_network(2, recipe="standard", in_channels=in_channels)
    transfer_weights(network, write(tmp_path, source.state_dict()))
    grey = torch.randn(1, 1, 20, 20, 20)
    result = network.features(grey.expand(-1, in_channels, -1, -1, -1))
    torch.testing.assert_close(result, source.features(grey.expand(-1, 3, -1, -1, -1)), atol=1e-4, rtol=1e-4)
    stem = network.stem.conv.weight
    assert torch.equal(stem[:, 0], stem[:, -1])
    torch.testing.assert_close(stem[:, 0], source.stem.conv.weight.sum(1) / in_channels)


def test_the_mean_stem_is_scaled_by_the_channels_it_comes_from() -> None:
    weight = torch.tensor([1.0, 2.0, 6.0]).view(1, 3, 1, 1, 1)
    assert average_channels(weight, 4).flatten().tolist() == [2.25] * 4
    assert average_channels(weight[:, :1], 2).flatten().tolist() == [0.5, 0.5]


def test_a_video_checkpoint_of_torchvision_is_understood(tmp_path: Path) -> None:
    """Its stem sees 3 frames: it arrives inside a kernel of 7, the rest as it is."""
    source, network = make_network(1, depth=18, recipe="standard"), make_network(2, depth=18, recipe="standard")
    tensors = {torchvision_video_name(name): tensor for name, tensor in source.state_dict().items()}
    assert "layer2.0.downsample.1.running_var" in tensors
    assert "layer4.1.conv2.0.weight" in tensors
    tensors["stem.0.weight"] = tensors["stem.0.weight"][:, :, 2:5]
    report = transfer_weights(network, write(tmp_path, tensors), average_stem=False)
    assert report.fresh == ("classifier.weight", "classifier.bias")
    stem, state = network.stem.conv.weight, source.state_dict()
    assert torch.equal(stem[:, :, 2:5], state["stem.conv.weight"][:, :, 2:5])
    assert stem[:, :, [0, 1, 5, 6]].abs().max() == 0
    rest = [name for name in report.loaded if name != "stem.conv.weight"]
    assert all(torch.equal(network.state_dict()[name], state[name]) for name in rest)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("module.conv1.weight", "stem.conv.weight"),
        ("bn1.running_mean", "stem.norm.running_mean"),
        ("layer1.0.conv2.weight", "stages.0.0.second.conv.weight"),
        ("layer4.1.bn2.bias", "stages.3.1.second.norm.bias"),
        ("layer3.0.downsample.0.weight", "stages.2.0.shortcut.conv.weight"),
        ("layer2.1.conv1.0.weight", "stages.1.1.first.conv.weight"),
        ("fc.bias", "classifier.bias"),
        ("stages.0.1.attention.gain", "stages.0.1.attention.gain"),
        ("cbam.spatial_gate.conv.weight", "cbam.spatial_gate.conv.weight"),
    ],
)
def test_names_of_public_checkpoints_are_translated(theirs: str, ours: str) -> None:
    assert own_name(theirs) == ours


def test_an_inflated_kernel_answers_a_volume_constant_along_the_depth_as_in_two_dimensions() -> None:
    torch.manual_seed(0)
    flat, image = torch.randn(4, 2, 7, 7), torch.randn(1, 2, 12, 11)
    volume = image.unsqueeze(2).expand(-1, -1, 15, -1, -1)
    result = conv3d(volume, fit_kernel(flat, (7, 7, 7)), padding=3)[:, :, 7]
    torch.testing.assert_close(result, conv2d(image, flat, padding=3), atol=1e-4, rtol=0)


def test_a_kernel_in_a_border_of_zeros_is_the_same_convolution() -> None:
    torch.manual_seed(0)
    kernel, volume = torch.randn(2, 1, 3, 5, 7), torch.randn(1, 1, 9, 10, 11)
    expected = conv3d(volume, kernel, stride=2, padding=(1, 2, 3))
    torch.testing.assert_close(conv3d(volume, fit_kernel(kernel, (7, 7, 7)), stride=2, padding=3), expected)


@pytest.mark.parametrize("size", [(9, 7, 7), (4, 7, 7)])
def test_a_kernel_that_does_not_fit_is_refused(size: tuple[int, int, int]) -> None:
    with pytest.raises(UserError, match="cannot become one of 7 x 7 x 7"):
        fit_kernel(torch.zeros(1, 1, *size), (7, 7, 7))


@pytest.mark.parametrize("attention", ["self", "cbam"])
def test_attention_that_the_checkpoint_lacks_starts_anew(tmp_path: Path, attention: str) -> None:
    source, network = make_network(1), make_network(2, attention=attention)
    report = transfer_weights(network, write(tmp_path, source.state_dict()), average_stem=False)
    x = torch.randn(1, 3, 24, 24, 24)
    assert torch.equal(network.features(x), source.features(x))
    assert {name.split(".")[0] for name in report.loaded} == {"stem", "stages"}
    assert any("gain" in name or "cbam" in name for name in report.fresh)


def test_attention_that_the_checkpoint_has_arrives(tmp_path: Path) -> None:
    source, network = make_network(1, attention="self"), make_network(2, attention="self")
    nn.init.constant_(source.stages[2][0].attention.gain, 0.3)
    transfer_weights(network, write(tmp_path, source.state_dict()))
    ours, theirs = network.stages[2][0].attention, source.stages[2][0].attention
    assert ours.gain.item() == pytest.approx(0.3)
    assert torch.equal(ours.query.weight, theirs.query.weight)


def test_half_precision_is_widened(tmp_path: Path) -> None:
    source, network = make_network(1), make_network(2)
    transfer_weights(network, write(tmp_path, {name: t.half() for name, t in source.state_dict().items()}))
    weight = network.stages[0][0].first.conv.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, source.stages[0][0].first.conv.weight.half().float())


def test_another_normalisation_is_refused_unless_permitted(tmp_path: Path) -> None:
    source, network = make_network(1, recipe="standard"), make_network(2)
    nn.init.constant_(source.stem.norm.weight, 0.123)
    path = write(tmp_path, source.state_dict())
    with pytest.raises(UserError, match="batch normalisation"):
        transfer_weights(network, path)
    report = transfer_weights(network, path, average_stem=False, other_norm=True)
    assert torch.equal(network.stages[3][0].second.conv.weight, source.stages[3][0].second.conv.weight)
    assert network.stem.norm.weight.tolist() == [1.0] * 32
    assert "stem.norm.weight" in report.fresh


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"depth": 18}, "nothing here is called stages.0.1.first.conv.weight"),
        ({"depth": 10, "base_width": 64}, "is 64 x 3 x 7 x 7 x 7 there and 32 x 3 x 7 x 7 x 7 here"),
        ({"attention": "cbam"}, "nothing here is called cbam"),
        ({"in_channels": 4}, "stem.conv.weight is 32 x 4 x 7 x 7 x 7 there"),
    ],
)
def test_another_network_is_refused_and_leaves_the_weights_alone(
    tmp_path: Path, source: dict[str, Any], message: str
) -> None:
    network = make_network(2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    path = write(tmp_path, make_network(1, **source).state_dict())
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        transfer_weights(network, path, average_stem=False)
    assert caught.value.remedy
    assert str(tmp_path) not in caught.value.message
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_checkpoint_with_fewer_layers_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, make_network(1).state_dict())
    with pytest.raises(UserError, match=re.escape("it lacks stages.0.1.first.conv.weight (")):
        transfer_weights(make_network(2, depth=18), path)


def test_files_that_are_no_safe_checkpoint_are_refused(tmp_path: Path) -> None:
    network, good = make_network(), write(tmp_path, {"weight": torch.ones(2)})
    pickle, cut, lost = (tmp_path / name for name in ("r3d.pth", "cut.safetensors", "lost.safetensors"))
    pickle.write_bytes(b"\x80\x04.")
    cut.write_bytes(good.read_bytes()[:-4])
    for path, message in (
        (pickle, "r3d.pth is not a safetensors file"),
        (cut, "cut.safetensors is damaged"),
        (lost, "lost.safetensors cannot be read"),
        (good, "source.safetensors holds no ResNet"),
    ):
        with pytest.raises(UserError, match=message):
            transfer_weights(network, path)


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    tensors = dict(make_network(1).state_dict())
    tensors["stem.norm.bias"] = torch.full((32,), float("nan"))
    with pytest.raises(UserError, match=r"not finite, in stem\.norm\.bias"):
        transfer_weights(make_network(2), write(tmp_path, tensors))
