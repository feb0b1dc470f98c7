"""Outcome networks rewritten for inference say what the networks said."""

import pytest
import torch
from torch import nn

from LesionLensLib.catalogue import find_card
from LesionLensLib.inference.folding import fold_batch_norms, fold_networks
from LesionLensLib.inference.outcome_network import OutcomeNetworks, load_outcome_networks
from LesionLensLib.inference.outcome_pass import ask_networks
from LesionLensLib.networks.chmfl_variants import build_chmfl
from LesionLensLib.networks.resnet3d import ResNet3d


def trained_looking(network: nn.Module) -> nn.Module:
    """Give every batch norm statistics and weights that are not those of a fresh one."""
    torch.manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.3, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return network.eval()


@pytest.mark.parametrize("name", ["chmfl", "cfl", "mask-hmfl", "3d-cnn-pet"])
def test_a_folded_network_answers_as_before_and_has_no_batch_norm_left(name: str) -> None:
    network = trained_looking(build_chmfl(name, levels=3, base_width=4, hidden=[8]))
    folded = fold_batch_norms(network)
    assert not any(isinstance(module, nn.BatchNorm3d) for module in folded.modules())
    x = torch.randn(1, network.in_channels, 8, 12, 8)
    with torch.inference_mode():
        before, after = network(x), folded(x)
    assert torch.allclose(before.outcome, after.outcome, atol=1e-4, rtol=1e-4)
    if before.mask is not None:
        assert torch.allclose(before.mask, after.mask, atol=1e-4, rtol=1e-4)


def test_group_norms_and_the_network_itself_stay_as_they_are() -> None:
    network = trained_looking(build_chmfl("chmfl", levels=2, base_width=4, hidden=[8], norm="gn-c2"))
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    folded = fold_batch_norms(network)
    x = torch.randn(1, 2, 8, 8, 8)
    with torch.inference_mode():
        assert torch.allclose(network(x).outcome, folded(x).outcome, atol=1e-5)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())


def test_every_network_of_an_ensemble_is_folded() -> None:
    chmfl = trained_looking(build_chmfl("chmfl", levels=2, base_width=4, hidden=[8]))
    resnet = trained_looking(ResNet3d(2, depth=10, base_width=4, attention="self", recipe="standard", stages=2))
    networks = fold_networks(OutcomeNetworks((chmfl,), ((chmfl,), (resnet,)), views=4))
    assert networks.views == 4
    every = [*networks.final, *(network for fold in networks.folds for network in fold)]
    assert len(every) == 3
    assert not any(isinstance(module, nn.BatchNorm3d) for network in every for module in network.modules())
    x = torch.randn(1, 2, 8, 8, 8)
    with torch.inference_mode():
        assert torch.allclose(resnet(x), networks.folds[1][0](x), atol=1e-4)


@pytest.mark.parametrize(
    ("model", "shape"), [("chmfl-sarcoma", (1, 2, 24, 16, 40)), ("attention-resnet-brainmet", (1, 3, 16, 48, 32))]
)
def test_the_shipped_networks_answer_alike_as_trained_and_as_they_run(model: str, shape: tuple[int, ...]) -> None:
    """Logits, outlines and the features that typicality compares; a probability moves by a quarter of its logit."""
    networks = load_outcome_networks(find_card(model))
    assert len(networks.folds) >= 4
    fast = fold_networks(networks)
    x = torch.rand(shape, generator=torch.Generator().manual_seed(4)) * 2 - 0.5
    pairs = [(networks.final, fast.final, True), (networks.folds[0], fast.folds[0], False)]
    for trained, running, outline in pairs:
        plain, folded = (ask_networks(each, x, views=2, outline=outline, at_once=1) for each in (trained, running))
        assert folded.logit == pytest.approx(plain.logit, abs=1e-4)
        assert plain.features is not None
        assert folded.features == pytest.approx(plain.features, abs=1e-4, rel=1e-4)
        assert (plain.tumour is None) == (folded.tumour is None)
        if plain.tumour is not None:
            assert plain.tumour.std() > 1e-3
            assert folded.tumour == pytest.approx(plain.tumour, abs=1e-4)
