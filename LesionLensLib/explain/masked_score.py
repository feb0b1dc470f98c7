"""What networks say when a mask is multiplied onto the features of one of their layers."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from LesionLensLib.explain.layers.choice import asked_layers
from LesionLensLib.explain.layers.cut import Cut
from LesionLensLib.explain.question import Question
from LesionLensLib.inference.folding import fold_network
from LesionLensLib.networks.rsanet import RSANet


class MaskedScore:
    """The mean score over the networks of `question`, the same mask on the features of `layer` of each of them.

    The features are computed here, once; a mask then costs the rest of the networks alone. `score` is the mean score of
    the image as it is. Raises `UserError` for a layer that the networks do not have.
    """

    def __init__(self, question: Question, layer: str | None) -> None:
        self.readout = question.readout
        with torch.no_grad():
            self.cuts = [each.cut(question.image) for each in asked_layers(question, layer)]
            self.score = self._mean_score(None)

    def moved(self, mask: Tensor) -> Tensor:
        """Return by how much a `mask` (d, h, w) for all channels and branches moves the mean score; differentiable."""
        return self._mean_score(mask) - self.score

    def _mean_score(self, mask: Tensor | None) -> Tensor:
        return torch.stack([self._score(cut, mask) for cut in self.cuts]).mean()

    def _score(self, cut: Cut, mask: Tensor | None) -> Tensor:
        features = cut.features if mask is None else [each * mask.to(each.dtype) for each in cut.features]
        return self.readout.score(cut.tail(features))[0].float()


def for_search(question: Question, dtype: torch.dtype = torch.float32) -> Question:
    """Return `question` with folded copies of its networks: the same answers, sooner; what it has stays as it is.

    A ResNet-18 with weight standardisation then takes 0.6 of the time. An RSANet has nothing to fold, and in the layout
    of folded networks its group norms would lose accuracy.
    """

    def copied(network: nn.Module) -> nn.Module:
        own = copy.deepcopy(network) if isinstance(network, RSANet) else fold_network(network)
        return own.to(dtype)

    networks = tuple(copied(network) for network in question.networks)
    return replace(question, networks=networks, image=question.image.to(dtype))
