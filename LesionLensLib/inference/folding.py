"""Outcome networks rewritten for inference: the same function with fewer operations and less memory."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from LesionLensLib.inference.direct_conv3d import DoublingProduct, SplitConv3d, use_direct_convolutions
from LesionLensLib.inference.folded_resnet3d import fold
from LesionLensLib.inference.outcome_network import OutcomeNetworks
from LesionLensLib.networks.chmfl_blocks import Decoder
from LesionLensLib.networks.resnet3d import ResNet3d

LayerT = TypeVar("LayerT", bound=nn.Module)


def fold_networks(networks: OutcomeNetworks) -> OutcomeNetworks:
    """Return folded copies of all `networks`; the originals stay as they are."""
    final = tuple(fold_network(network) for network in networks.final)
    folds = tuple(tuple(fold_network(network) for network in fold) for fold in networks.folds)
    return replace(networks, final=final, folds=folds)


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Return a copy of `network` whose batch norms, at rest a scaling and a shift, are part of the layers before them.

    The copy is in the channels-last layout, its convolutions are direct ones, and those of a decoder that leave most of
    the processor idle are rewritten.
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for block in [module for module in folded.modules() if isinstance(module, nn.Sequential)]:
        for (name, layer), (following, norm) in pairwise(list(block.named_children())):
            if isinstance(norm, nn.BatchNorm3d) and isinstance(layer, nn.Conv3d | nn.ConvTranspose3d):
                block._modules[name] = fuse_conv_bn_eval(layer, norm, isinstance(layer, nn.ConvTranspose3d))
                block._modules[following] = nn.Identity()
    for module in list(folded.modules()):
        if isinstance(module, Decoder):
            _rewrite_decoder(module)
    use_direct_convolutions(folded)
    return folded.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]


def _rewrite_decoder(decoder: Decoder) -> None:
    for up in decoder.up:
        _replace(up, nn.ConvTranspose3d, DoublingProduct)
    _replace(decoder.output[0], nn.Conv3d, SplitConv3d)


def _replace(block: nn.Module, kind: type[LayerT], rewritten: Callable[[LayerT], nn.Module]) -> None:
    for name, layer in list(block.named_children()):
        if isinstance(layer, kind):
            setattr(block, name, rewritten(layer))


def fold_network(network: nn.Module) -> nn.Module:
    """Return a folded copy of any network without group norms of large volumes; `network` itself stays as it is."""
    return fold(network) if isinstance(network, ResNet3d) else fold_batch_norms(network)
