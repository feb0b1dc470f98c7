"""CHMFL as published: Table SI, parameter counts, and what each part of it may and may not depend on."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv3d, conv_transpose3d, elu

from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.networks.chmfl_blocks import Fusion, Layers, ResidualFusion
from LesionLensLib.networks.chmfl_losses import chmfl_loss
from LesionLensLib.networks.group_norm import ExactGroupNorm

PAPER_GRID = (144, 112, 112)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def tiny(**options: Any) -> CHMFL:
    """A network of two channels at the first level, its batch statistics and biases not the trivial ones."""
    network = CHMFL(**{"base_width": 2, "hidden": (12, 6), **options})
    for name, values in (*network.named_parameters(), *network.named_buffers()):
        if name.endswith("running_var") or (values.dim() == 1 and name.endswith("weight")):
            nn.init.uniform_(values, 0.5, 1.5)
        elif name.endswith(("bias", "running_mean")):
            nn.init.uniform_(values, -0.3, 0.3)
    return network


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 12_652_382),
        ({"fusion": "vnet"}, 49_596_590),
        ({"fusion": "vnet-light"}, 26_554_862),
        ({"fusion": "projected"}, 3_135_150),
        ({"flatten5": PAPER_GRID}, 127_995_742),
        ({"flatten5": PAPER_GRID, "hidden": (64, 32)}, 26_561_662),
        ({"norm": "gn-c16"}, 12_652_382),
        ({"shared_branches": True}, 12_652_382 - 703_296 // 2),
        ({"hierarchical": False}, 12_652_382 - 480 * 512),
        ({"decoder": False}, 12_652_382 - 11_374_748),
    ],
)
def test_parameter_counts_are_those_worked_out_from_the_paper(options: dict[str, Any], expected: int) -> None:
    with torch.device("meta"):
        assert count(CHMFL(**options)) == expected


def test_the_parameters_lie_where_they_are_said_to_lie() -> None:
    with torch.device("meta"):
        network = CHMFL()
    assert network.decoder is not None
    assert (count(network.branches), count(network.decoder), count(network.head)) == (703_296, 11_374_748, 574_338)


def test_shapes_at_full_size_are_those_of_table_si() -> None:
    with torch.device("meta"):
        network = CHMFL()
        x = torch.empty(1, 2, *PAPER_GRID)
        features = network.encode(x)
        output = network(x)
    assert network.decoder is not None
    assert output.mask is not None
    sizes = [PAPER_GRID, (72, 56, 56), (36, 28, 28), (18, 14, 14), (9, 7, 7)]
    for width, size, level in zip((16, 32, 64, 128, 256), sizes, features, strict=True):
        assert [each.shape for each in level] == [(1, width, *size)] * 2
    assert [block.out_channels for block in network.decoder.fusions] == [384, 192, 96, 48]
    assert [up[0].out_channels for up in network.decoder.up] == [128, 64, 32, 16]
    assert network.head.vector(features).shape == (1, 992)
    assert output.outcome.shape == (1, 2)
    assert output.mask.shape == (1, 2, *PAPER_GRID)


def test_level_five_flattened_is_the_vector_of_equation_4() -> None:
    with torch.device("meta"):
        network = CHMFL(flatten5=PAPER_GRID)
        assert network.head.vector(network.encode(torch.empty(1, 2, *PAPER_GRID))).shape == (1, 480 + 225_792)


def row(x: Tensor, state: dict[str, Tensor], name: str, stride: int = 1, transposed: bool = False) -> Tensor:
    """Convolution, batch normalisation by the stored statistics, ELU, written with torch's functions alone."""
    weight, bias = state[f"{name}.0.weight"], state[f"{name}.0.bias"]
    if transposed:
        x = conv_transpose3d(x, weight, bias, stride=2)
    else:
        x = conv3d(x, weight, bias, stride=stride, padding=weight.shape[2] // 2 if stride == 1 else 0)
    mean, variance = state[f"{name}.1.running_mean"], state[f"{name}.1.running_var"]
    return elu(batch_norm(x, mean, variance, state[f"{name}.1.weight"], state[f"{name}.1.bias"]))


def test_it_computes_table_si_and_equation_4_step_by_step() -> None:
    network = tiny().eval()
    x = torch.randn(2, 2, 32, 16, 48)
    state = dict(network.state_dict())
    levels: list[list[Tensor]] = []
    for branch in range(2):
        maps = [row(x[:, branch : branch + 1], state, f"branches.{branch}.levels.0")]
        for level in range(1, 5):
            maps.append(row(maps[-1], state, f"branches.{branch}.levels.{level}", 2))
        levels.append(maps)
    fused = [torch.cat(pair, 1) for pair in zip(*levels, strict=True)]
    vector = torch.cat([level.amax((2, 3, 4)) for level in fused], 1)
    for layer in (0, 3, 6):
        vector = vector @ state[f"head.layers.{layer}.weight"].T + state[f"head.layers.{layer}.bias"]
        vector = vector.relu() if layer < 6 else vector
    z = fused[4]
    for step in range(4):
        z = torch.cat([row(z, state, f"decoder.up.{step}", transposed=True), fused[3 - step]], 1)
        inner = z
        for operation in range(2):
            inner = row(inner, state, f"decoder.fusions.{step}.operations.{operation}")
        z = elu(inner + z)
    z = row(z, state, "decoder.output.0")
    mask = conv3d(z, state["decoder.output.1.weight"], state["decoder.output.1.bias"])
    with torch.inference_mode():
        output = network(x)
    torch.testing.assert_close(output.outcome, vector, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(output.mask, mask, atol=1e-4, rtol=1e-4)


def test_a_level_is_pooled_to_the_largest_value_of_each_channel_wherever_it_lies() -> None:
    network = tiny().eval()
    with torch.inference_mode():
        features = network.encode(torch.randn(1, 2, 32, 32, 32))
        vector = network.head.vector(features)
        for level in range(5):
            order = torch.randperm(features[level][0][0, 0].numel())
            moved = tuple(each.flatten(2)[..., order].view(each.shape) for each in features[level])
            assert not torch.equal(moved[0], features[level][0]) or order.equal(torch.arange(len(order)))
            assert torch.equal(network.head.vector([*features[:level], moved, *features[level + 1 :]]), vector)


def test_a_flattened_level_knows_where_its_values_lie_and_keeps_only_the_others_pooled() -> None:
    network = tiny(flatten5=(32, 32, 32)).eval()
    with torch.inference_mode():
        features = network.encode(torch.randn(1, 2, 32, 32, 32))
        deepest = tuple(each.flip(2) for each in features[4])
        assert not torch.equal(network.head.vector([*features[:4], deepest]), network.head.vector(features))
        shallow = [tuple(each.flip(2) for each in level) for level in features[:4]]
        assert torch.equal(network.head.vector([*shallow, features[4]]), network.head.vector(features))


def swapped(own: int, width: int) -> Tensor:
    """Order of channels after `own` unchanged ones when the `width` of PET and the `width` of CT change places."""
    return torch.cat([torch.arange(own), own + width + torch.arange(width), own + torch.arange(width)])


def with_pet_and_ct_swapped(network: CHMFL) -> dict[str, Tensor]:
    """The weights of the same function for the channels (CT, PET)."""
    state = {name: values.clone() for name, values in network.state_dict().items()}
    for name, values in network.state_dict().items():
        if name.startswith("branches."):
            state[f"branches.{1 - int(name.split('.')[1])}.{name.split('.', 2)[2]}"] = values
    widths = [2, 4, 8, 16, 32]
    ends = [0]
    for width in widths:
        ends.append(ends[-1] + 2 * width)
    columns = torch.cat([start + swapped(0, width) for start, width in zip(ends, widths, strict=False)])
    state["head.layers.0.weight"] = state["head.layers.0.weight"][:, columns]
    order = swapped(0, widths[4])
    for step, width in enumerate(reversed(widths[:4])):
        state[f"decoder.up.{step}.0.weight"] = state[f"decoder.up.{step}.0.weight"][order]
        order = swapped(width, width)
        for name in [name for name in state if name.startswith(f"decoder.fusions.{step}.") and state[name].dim()]:
            state[name] = state[name][order]
            if state[name].dim() > 1:
                state[name] = state[name][:, order]
    state["decoder.output.0.0.weight"] = state["decoder.output.0.0.weight"][:, order]
    return state


def test_swapping_pet_and_ct_together_with_their_weights_changes_nothing() -> None:
    network, other = tiny().eval(), tiny().eval()
    x = torch.randn(1, 2, 32, 16, 32)
    other.load_state_dict(with_pet_and_ct_swapped(network))
    with torch.inference_mode():
        before, same, merely_swapped = network(x), other(x.flip(1)), network(x.flip(1))
    torch.testing.assert_close(same.outcome, before.outcome, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(same.mask, before.mask, atol=1e-4, rtol=1e-4)
    assert (merely_swapped.outcome - before.outcome).abs().max() > 1e-3


def test_with_shared_branches_both_modalities_meet_the_same_weights() -> None:
    network = tiny(shared_branches=True).eval()
    x = torch.randn(1, 1, 16, 16, 16)
    with torch.inference_mode():
        features = network.encode(torch.cat([x, x], 1))
        others = tiny().eval().encode(torch.cat([x, x], 1))
    assert all(torch.equal(pet, ct) for pet, ct in features)
    assert not any(torch.equal(pet, ct) for pet, ct in others)


def test_the_outcome_knows_nothing_of_the_decoder_and_the_outline_nothing_of_the_head() -> None:
    network = tiny().eval()
    assert network.decoder is not None
    x = torch.randn(1, 2, 16, 32, 16)
    with torch.inference_mode():
        before = network(x)
        for parameter in network.decoder.parameters():
            parameter.normal_()
        other_decoder = network(x)
        for parameter in network.head.parameters():
            parameter.normal_()
        other_head = network(x)
    assert torch.equal(other_decoder.outcome, before.outcome)
    assert not torch.equal(other_decoder.mask, before.mask)
    assert torch.equal(other_head.mask, other_decoder.mask)
    assert not torch.equal(other_head.outcome, before.outcome)


def test_the_outcome_alone_is_the_outcome_of_the_whole_network_at_no_cost_of_the_decoder() -> None:
    network = tiny().eval()
    assert network.decoder is not None
    x = torch.randn(1, 2, 16, 16, 32)
    ran = []
    network.decoder.register_forward_hook(lambda *_: ran.append(True))
    with torch.inference_mode():
        alone = network.outcome_logits(x)
        assert ran == []
        assert torch.equal(alone, network(x).outcome)


@pytest.mark.parametrize(("w", "silent", "heard"), [(0.0, "decoder", "head"), (1.0, "head", "decoder")])
def test_a_weight_of_0_or_1_leaves_the_other_part_without_a_gradient(w: float, silent: str, heard: str) -> None:
    network = tiny()
    label, mask = torch.tensor([1, 0]), torch.randint(2, (2, 16, 16, 16))
    chmfl_loss(network(torch.randn(2, 2, 16, 16, 16)), label, mask, w).total.backward()
    for name, parameter in network.named_parameters():
        part = name.split(".")[0]
        assert (parameter.grad is None) == (part == silent), name
    for part in (heard, "branches"):
        assert any(float(each.grad.abs().max()) > 0 for each in getattr(network, part).parameters())


def test_evaluation_is_deterministic_and_training_is_not_for_its_dropout() -> None:
    network = tiny(hidden=(64, 32))
    x = torch.randn(1, 2, 32, 16, 16)
    with torch.no_grad():
        assert not torch.equal(network(x).outcome, network(x).outcome)
        network.eval()
        first, second = network(x), network(x)
    assert torch.equal(first.outcome, second.outcome)
    assert torch.equal(first.mask, second.mask)


def test_in_evaluation_a_patient_s_answer_does_not_depend_on_the_others_of_the_batch() -> None:
    network = tiny().eval()
    x = torch.randn(3, 2, 16, 16, 32)
    with torch.inference_mode():
        together, alone = network(x), [network(x[n : n + 1]) for n in range(3)]
    torch.testing.assert_close(together.outcome, torch.cat([each.outcome for each in alone]), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together.mask, torch.cat([each.mask for each in alone]), atol=1e-4, rtol=1e-4)


def test_with_one_image_batch_normalisation_takes_that_volume_s_own_statistics() -> None:
    network = CHMFL(base_width=2, hidden=(4,)).train()
    x = torch.randn(1, 2, 16, 32, 16) * 7 + 3
    stem = network.branches[0].levels[0]
    normalised: Tensor = stem[1](stem[0](x[:, :1]))
    torch.testing.assert_close(normalised.mean((0, 2, 3, 4)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalised.var((0, 2, 3, 4), unbiased=False), torch.ones(2), atol=1e-3, rtol=0)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_a_single_voxel_reaches_what_kernels_and_strides_let_it_reach(layout: torch.memory_format) -> None:
    network = tiny().eval().to(memory_format=layout)
    x = torch.zeros(1, 2, 32, 32, 32)
    other = x.clone()
    other[0, 1, 13, 6, 22] = 5.0
    with torch.inference_mode():
        before, after = network.encode(x.to(memory_format=layout)), network.encode(other.to(memory_format=layout))
    assert all(torch.equal(one[0], two[0]) for one, two in zip(before, after, strict=True)), "CT is not in PET's branch"
    reached = [torch.nonzero((two[1] - one[1]).abs().amax((0, 1))) for one, two in zip(before, after, strict=True)]
    assert [each.amin(0).tolist() for each in reached] == [[11, 4, 20], [5, 2, 10], [2, 1, 5], [1, 0, 2], [0, 0, 1]]
    assert [each.amax(0).tolist() for each in reached] == [[15, 8, 24], [7, 4, 12], [3, 2, 6], [1, 1, 3], [0, 0, 1]]


def test_the_fusion_adds_its_input_to_the_last_non_linearity_and_bends_the_sum() -> None:
    fusion = ResidualFusion(Layers(), 3, 1, Fusion(), 2).eval()
    z = torch.randn(1, 3, 4, 4, 4)
    last = fusion.operations[1][1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    assert torch.equal(fusion(z.clone()), elu(z))
    nn.init.constant_(last.bias, 2.0)
    torch.testing.assert_close(fusion(z.clone()), elu(z + 2))


def test_weights_start_as_he_et_al_draw_them() -> None:
    network = CHMFL(base_width=8)
    assert network.decoder is not None
    down, up = network.branches[0].levels[4][0], network.decoder.up[0][0]
    assert float(down.weight.detach().std()) == pytest.approx((2 / (64 * 8)) ** 0.5, rel=0.02)
    assert float(up.weight.detach().std()) == pytest.approx((2 / 256) ** 0.5, rel=0.02)
    assert float(network.head.layers[0].weight.detach().std()) == pytest.approx((2 / 496) ** 0.5, rel=0.02)
    biases = [each for name, each in network.named_parameters() if name.endswith("bias")]
    assert all(float(each.detach().abs().max()) == 0 for each in biases)


def test_group_normalisation_is_the_one_that_stays_exact_in_large_volumes() -> None:
    network = CHMFL(norm="gn-c8", base_width=8, hidden=(4,))
    norms = [each for each in network.modules() if isinstance(each, nn.GroupNorm)]
    assert len(norms) == 10 + 4 + 8 + 1
    assert all(isinstance(each, ExactGroupNorm) for each in norms)


@pytest.mark.parametrize(
    ("norm", "channels", "groups"),
    [("gn-c4", 16, 4), ("gn-c8", 48, 6), ("gn-c16", 384, 24), ("gn-g4", 16, 4), ("gn-g16", 48, 16), ("gn-c16", 2, 1)],
)
def test_the_number_in_a_group_norm_s_name_is_channels_or_groups(norm: str, channels: int, groups: int) -> None:
    assert Layers(norm=norm).normalization(channels).num_groups == groups
