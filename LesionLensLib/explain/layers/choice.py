"""The layers of any network that can be cut, and the one that a method looks at where none is named."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import nn

from LesionLensLib.errors import UserError
from LesionLensLib.explain.layers.chain import resnet_layers, stack_layers
from LesionLensLib.explain.layers.chmfl import chmfl_layers
from LesionLensLib.explain.layers.cut import Layer
from LesionLensLib.explain.layers.placement import Triple
from LesionLensLib.explain.layers.rsanet import rsanet_layers
from LesionLensLib.explain.question import Question
from LesionLensLib.networks.chmfl import CHMFL
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.networks.rsanet import RSANet

FINEST_SHARE = 8
"""The default layer has at least a voxel for every eight of the image along each axis."""


def layers_of(network: nn.Module, size: Triple, roles: Sequence[str] = (), outline: bool = True) -> tuple[Layer, ...]:
    """Return the layers of `network` in the order of its pass, for images of `size` (D, H, W).

    `roles` name the input channels; without `outline` a CHMFL's tail makes no mask. A network of the user's own has
    layers where it is an `nn.Sequential`, or has `stages` and a `head`. Empty where nothing is known of its parts.
    """
    if isinstance(network, ResNet3d):
        return resnet_layers(network, size)
    if isinstance(network, CHMFL):
        return chmfl_layers(network, size, roles, outline) if network.dims == 3 else ()
    if isinstance(network, RSANet):
        return rsanet_layers(network, size)
    return stack_layers(network, size)


def default_layer(layers: Sequence[Layer], size: Triple) -> Layer:
    """Return the coarsest of `layers` whose grid is at least an eighth of the image's `size`; of several the last.

    In a network that only gets coarser this is the last such layer of the pass. Layers of a single branch are left out.
    """
    shared = [layer for layer in layers if layer.whole]
    fine = [layer for layer in shared if all(FINEST_SHARE * n >= m for n, m in zip(layer.size, size, strict=True))]
    candidates = fine or shared[:1]
    fewest = min(prod(layer.size) for layer in candidates)
    return [layer for layer in candidates if prod(layer.size) == fewest][-1]


def asked_layers(question: Question, name: str | None = None) -> tuple[Layer, ...]:
    """Return layer `name` of each network of the question, the default one for None.

    Raises `UserError` for a network that cannot be cut, and for a name that is none of its layers.
    """
    found, size = [], question.grid.shape
    for network in question.networks:
        layers = layers_of(network, size, question.roles, not question.asks_risk)
        if not layers:
            raise UserError(
                f"A {type(network).__name__} has no layer that can be looked at.",
                "Use occlusion, which works with every network.",
            )
        chosen = default_layer(layers, size) if name is None else _named(layers, name)
        found.append(chosen)
    if len({(layer.name, layer.size) for layer in found}) > 1:
        raise ValueError("the networks of one question are not of one kind")
    return tuple(found)


def _named(layers: Sequence[Layer], name: str) -> Layer:
    for layer in layers:
        if layer.name == name:
            return layer
    known = ", ".join(layer.name for layer in layers)
    raise UserError(f'The network has no layer "{name}".', f"Name one of these: {known}.")
