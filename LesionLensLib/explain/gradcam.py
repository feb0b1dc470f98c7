"""Grad-CAM: the features of a layer, each channel weighed by how much the answer rises with its mean.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017,
section 3. Captum's `LayerGradCam` gives the same numbers and is what the tests compare with; it is not used here since
Slicer would have to install it, and because it keeps the graph of the whole network where only the tail needs one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import relu

from LesionLensLib.explain.layers.choice import asked_layers
from LesionLensLib.explain.layers.cut import Cut
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import Readout
from LesionLensLib.images.volume import Volume


def gradcam(question: Question, layer: str | None = None, signed: bool = False) -> Volume:
    """Return the map (D, H, W) of `layer`, the default one for None, on the grid of the image.

    It shows what raises the score; `signed` keeps what lowers it as negative values instead of 0. Features of several
    branches and networks count as channels of one layer, and the score is the networks' mean. A gradient flows through
    the tail of a network only. Raises `UserError` for a network or layer that cannot be cut.
    """
    layers = asked_layers(question, layer)
    with torch.no_grad():
        cuts = [each.cut(question.image) for each in layers]
    coarse = torch.stack([_weighed(cut, question.readout) for cut in cuts]).mean(0)
    values = (coarse if signed else relu(coarse)).double().cpu().numpy()
    return Volume(layers[0].placement.enlarge(values, question.grid.shape), question.grid)


def _weighed(cut: Cut, readout: Readout) -> Tensor:
    """Return the sum over channels and branches of features times mean gradient, (d, h, w)."""
    with torch.enable_grad():
        features = [each.detach().requires_grad_(True) for each in cut.features]
        score = readout.score(cut.tail(features))[0]
        gradients = torch.autograd.grad(score, features)
    with torch.no_grad():
        pairs = zip(features, gradients, strict=True)
        maps = [(gradient.mean((2, 3, 4), keepdim=True) * own).sum(1)[0] for own, gradient in pairs]
        return torch.stack(maps).sum(0)
