"""A layer of a network, and a pass that was stopped there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from LesionLensLib.explain.layers.placement import Placement, Triple
from LesionLensLib.networks.chmfl import ChmflOutput

Output = Tensor | ChmflOutput


@dataclass(frozen=True, eq=False)
class Cut:
    """A pass stopped at a layer: the `features` there, and the `tail` that makes the network's output of them.

    `features` has one map (N, C, d, h, w) for each branch of the layer. The tail takes as many of the same shapes and
    keeps what reaches the output past the layer: maps of shallower levels, other branches, skip connections.
    """

    features: tuple[Tensor, ...]
    tail: Callable[[Sequence[Tensor]], Output]


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer by `name`, the `size` (d, h, w) of its grid, where that lies, and how a pass is stopped there.

    `cut` takes images (N, C, D, H, W); gradients flow through features and tail as they do through the network.
    `whole` is false for a layer of one branch among several, past which the others reach the output.
    """

    name: str
    size: Triple
    placement: Placement
    cut: Callable[[Tensor], Cut]
    whole: bool = True
