"""The layers of RSANet: four levels down, the centre, four levels up; skip connections pass by the deeper ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from LesionLensLib.explain.layers.cut import Cut, Layer
from LesionLensLib.explain.layers.placement import Triple
from LesionLensLib.explain.layers.spatial import Spot
from LesionLensLib.networks.rsanet import LEVELS, RSANet

DEEPEST = LEVELS - 1


def rsanet_layers(network: RSANet, size: Triple) -> tuple[Layer, ...]:
    """Return the layers of `network` for images of `size` (D, H, W), each behind its attention where it has one."""
    spots = [Spot(size)]
    for _ in range(LEVELS):
        spots.append(spots[-1].after(3, 2, 1))
    layers = []
    for level in range(LEVELS):
        layers.append(_layer(f"encoder {level + 1}", spots[level], _cut_encoder(network, level)))
    layers.append(_layer("centre", spots[LEVELS], _cut_decoder(network, LEVELS)))
    for level in reversed(range(LEVELS)):
        layers.append(_layer(f"decoder {level + 1}", spots[level], _cut_decoder(network, level)))
    return tuple(layers)


def descend(network: RSANet, x: Tensor, first: int = 0) -> list[Tensor]:
    """Return the features of the levels `first` to 4 from the input `x` of that encoder, and those of the centre."""
    features = []
    for level in range(first, LEVELS):
        x = network.encoder[level](x)
        features.append(network.encoder_attention(x) if level == DEEPEST else x)
        x = network.down[level](features[-1])
    return [*features, network.centre_attention(network.centre(x))]


def ascend(network: RSANet, x: Tensor, skips: Sequence[Tensor], last: int = 0) -> Tensor:
    """Return the features of decoder level `last` from those (`x`) of the level below the last of `skips`."""
    for level in reversed(range(last, len(skips))):
        doubled = network.up[level](x, tuple(skips[level].shape[2:]))
        x = network.decoder[level](torch.cat([skips[level], doubled], 1))
        x = network.decoder_attention(x) if level == DEEPEST else x
    return x


def stem(network: RSANet, images: Tensor) -> Tensor:
    """Return the input of the first encoder level."""
    first: Tensor = network.dropout(network.stem(images))
    return first


def _layer(name: str, spot: Spot, cut: Callable[[Tensor], Cut]) -> Layer:
    return Layer(name, spot.size, spot.placement, cut)


def _classified(network: RSANet, x: Tensor) -> Tensor:
    logits: Tensor = network.classifier(network.final(x))
    return logits


def _cut_encoder(network: RSANet, level: int) -> Callable[[Tensor], Cut]:
    def cut(images: Tensor) -> Cut:
        x, above = stem(network, images), []
        for number in range(level):
            above.append(network.encoder[number](x))
            x = network.down[number](above[-1])
        own = network.encoder[level](x)
        own = network.encoder_attention(own) if level == DEEPEST else own

        def tail(features: Sequence[Tensor]) -> Tensor:
            *below, centre = descend(network, network.down[level](features[0]), level + 1)
            return _classified(network, ascend(network, centre, [*above, features[0], *below]))

        return Cut((own,), tail)

    return cut


def _cut_decoder(network: RSANet, level: int) -> Callable[[Tensor], Cut]:
    """Cut behind decoder `level`, or behind the centre, which is the level below the deepest."""

    def cut(images: Tensor) -> Cut:
        *skips, centre = descend(network, stem(network, images))
        own = ascend(network, centre, skips, level)

        def tail(features: Sequence[Tensor]) -> Tensor:
            return _classified(network, ascend(network, features[0], skips[:level]))

        return Cut((own,), tail)

    return cut
