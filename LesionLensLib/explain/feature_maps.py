"""What the features of a network look like, layer by layer: the mean over the channels of each.

Peng et al., arXiv 2104.11416, figure 6, shows the feature maps of CHMFL's levels in PET and in CT. Features are what a
network makes of the image; they do not tell what it makes of them for its answer.
"""

from __future__ import annotations

import numpy as np
import torch

from LesionLensLib.errors import UserError
from LesionLensLib.explain.layers.choice import layers_of
from LesionLensLib.explain.layers.cut import Layer
from LesionLensLib.explain.question import Question
from LesionLensLib.images.volume import Volume


def feature_maps(question: Question) -> dict[str, Volume]:
    """Return the map of every layer by name, in the order of the pass, on the grid of the image.

    Branches are kept apart ("level 2 of PET"). Averaged over the networks of the question. Raises `UserError` for
    networks of whose layers nothing is known.
    """
    layers = [_apart(layers_of(network, question.grid.shape, question.roles, False)) for network in question.networks]
    if not layers[0]:
        raise UserError(
            f"Nothing is known of the layers of a {type(question.networks[0]).__name__}.",
            "Use occlusion, which works with every network.",
        )
    maps = {}
    for same in zip(*layers, strict=True):
        with torch.no_grad():
            means = [layer.cut(question.image).features[0][0].double().mean(0).cpu().numpy() for layer in same]
        enlarged = same[0].placement.enlarge(np.mean(means, 0), question.grid.shape)
        maps[same[0].name] = Volume(enlarged, question.grid)
    return maps


def _apart(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    single = tuple(layer for layer in layers if not layer.whole)
    return single or layers
