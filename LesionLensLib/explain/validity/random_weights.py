"""The sanity check with random weights: a map that looks the same of an untrained network explains nothing.

Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018, section 3: weights are made random from the head down,
more and more of them, and the map is made anew each time.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from LesionLensLib.explain.layers.chmfl import branch_encoders
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.validity.similarity import MakeMap, Map, rank_correlation
from LesionLensLib.inference.ladder import Tell
from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.networks.rsanet import RSANet

STAGES = 4
DRAWS = 2
DEPENDS, HARDLY = 0.3, 0.6
"""Correlations below the first are those of a map that changes altogether, above the second of one that stays."""

NORMS = (nn.BatchNorm3d, nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm3d)


@dataclass(frozen=True)
class RandomWeights:
    """The rank correlation of |map| with those of networks whose weights are random down to some part.

    `cascade` names the part each time, from the head down; `correlation` is the mean over draws of all weights. It is 0
    where such maps are the same everywhere, which `flat` tells.
    """

    cascade: tuple[tuple[str, float], ...]
    correlation: float
    flat: bool = False

    @property
    def text(self) -> str:
        """One sentence for people."""
        if self.flat:
            return "With random weights the map is the same everywhere: it depends on what the network learned."
        figure = f"(rank correlation {self.correlation:.2f})"
        if abs(self.correlation) < DEPENDS:
            return f"The map does not survive random weights {figure}: it depends on what the network learned."
        if abs(self.correlation) < HARDLY:
            return f"The map survives random weights in part {figure}: part of it is the image, not what was learned."
        return f"The map survives random weights {figure}: it does not depend on what the network learned: do not use."


def random_weights_check(
    question: Question, values: Map, make_map: MakeMap, stages: int = STAGES, seed: int = 0, tell: Tell | None = None
) -> RandomWeights:
    """Compare the map `values` with those that `make_map` makes of networks with random weights.

    Maps made: `stages` for the cascade, and one more draw of all weights. The networks themselves are not touched.
    """
    cascade, whole = [], []
    for number, (name, randomized) in enumerate(_cascade(question, stages, seed), start=1):
        other = make_map(randomized)
        cascade.append((name, rank_correlation(values, other)))
        if tell is not None:
            tell(number / (stages + DRAWS - 1), f"map with random weights down to {name}")
    whole.append(other)
    for draw in range(1, DRAWS):
        *_, (_, randomized) = _cascade(question, 1, seed + draw)
        whole.append(make_map(randomized))
    if tell is not None:
        tell(1.0, "maps with random weights are made")
    flat = all(np.ptp(np.abs(other)) == 0 for other in whole)
    return RandomWeights(tuple(cascade), float(np.mean([rank_correlation(values, other) for other in whole])), flat)


def _cascade(question: Question, stages: int, seed: int) -> Iterator[tuple[str, Question]]:
    """Yield the question with copies of its networks, random from the head down to ever lower parts."""
    networks = tuple(copy.deepcopy(network) for network in question.networks)
    generator = torch.Generator().manual_seed(seed)
    by_network = [parts_from_the_head(network) for network in networks]
    count = len(by_network[0])
    for numbers in np.array_split(np.arange(count), min(stages, count)):
        for parts in by_network:
            for number in numbers:
                for module in parts[number][1]:
                    shuffle(module, generator)
        yield by_network[0][numbers[-1]][0], replace(question, networks=networks)


def parts_from_the_head(network: nn.Module) -> list[tuple[str, list[nn.Module]]]:
    """Return the parts of `network` that have weights, by name, from the output to the input."""
    if isinstance(network, CHMFL):
        levels = list(zip(*branch_encoders(network), strict=True))
        decoder = [] if network.decoder is None else [network.decoder]
        named = [(f"level {n}", list(dict.fromkeys(level))) for n, level in enumerate(levels, start=1)]
        return [("head", [network.head, *decoder]), *reversed(named)]
    if isinstance(network, RSANet):
        return _parts_of_rsanet(network)
    named = [(name, [module]) for name, module in _spread_out(network) if _has_weights(module)]
    return named[::-1] or [("network", [network])]


def _parts_of_rsanet(network: RSANet) -> list[tuple[str, list[nn.Module]]]:
    levels = range(len(network.encoder))
    parts: list[tuple[str, list[nn.Module]]] = [("classifier", [network.final, network.classifier])]
    parts += [(f"decoder {level + 1}", [network.up[level], network.decoder[level]]) for level in levels]
    parts[-1][1].append(network.decoder_attention)
    parts.append(("centre", [network.centre, network.centre_attention]))
    parts += [(f"encoder {level + 1}", [network.encoder[level], network.down[level]]) for level in reversed(levels)]
    parts[-len(levels)][1].append(network.encoder_attention)
    return [*parts, ("stem", [network.stem])]


def _spread_out(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in network.named_children():
        if isinstance(child, nn.ModuleList | nn.Sequential):
            yield from ((f"{name} {number}", part) for number, part in enumerate(child, start=1))
        else:
            yield name, child


def _has_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters()) or any(True for _ in module.buffers())


@torch.no_grad()
def shuffle(module: nn.Module, generator: torch.Generator) -> None:
    """Shuffle the values of every tensor below `module`, in place; the channels of a norm stay together.

    Shuffled weights have the distribution of the learned ones, so that the network neither fades nor saturates, as it
    would with those of an untrained one behind the learned statistics of its norms.
    """
    for part in module.modules():
        tensors = [own for own in (*part._parameters.values(), *part._buffers.values()) if own is not None]
        floating = [own for own in tensors if own.is_floating_point()]
        order = None
        for own in floating:
            if order is None or not isinstance(part, NORMS) or order.numel() != own.numel():
                order = torch.randperm(own.numel(), generator=generator)
            own.copy_(own.flatten()[order.to(own.device)].view(own.shape))
