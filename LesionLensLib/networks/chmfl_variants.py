"""CHMFL and the networks its paper compares it with, by name.

Peng et al., arXiv 2104.11416, section II.F, Tables II and SIII. The comparison networks are not described there beyond
their names; here they are CHMFL with parts taken away, so that a difference in result is a difference of that part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from LesionLensLib.networks.chmfl import CHMFL, LEVELS, ChmflOutput

PAPER_GRID = (144, 112, 112)
"""(D, H, W) voxels of 1 mm of the paper's box of 112 x 112 x 144 mm; its long side runs along the limb."""


@dataclass(frozen=True)
class Variant:
    """A network by name: the roles of its input channels in order, and the arguments of `CHMFL`."""

    roles: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


BOTH = ("PET", "CT")
ONE_BRANCH = ((0,),)
PLAIN = {"hierarchical": False, "decoder": False}

VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "chmfl": Variant(BOTH),
        "chmfl-shared": Variant(BOTH, {"shared_branches": True}),
        "chmfl-vnet": Variant(BOTH, {"fusion": "vnet"}),
        "chmfl-flatten5": Variant(BOTH, {"flatten5": PAPER_GRID}),
        "chmfl-gn-c4": Variant(BOTH, {"norm": "gn-c4"}),
        "chmfl-gn-c8": Variant(BOTH, {"norm": "gn-c8"}),
        "chmfl-gn-c16": Variant(BOTH, {"norm": "gn-c16"}),
        "cfl": Variant(BOTH, {"hierarchical": False}),
        "mask-hmfl": Variant((*BOTH, "lesion"), {"branches": ((0, 2), (1, 2)), "decoder": False}),
        "3d-cnn-ct": Variant(("CT",), {**PLAIN, "branches": ONE_BRANCH}),
        "3d-cnn-pet": Variant(("PET",), {**PLAIN, "branches": ONE_BRANCH}),
        "3d-cnn-pet-ct": Variant(BOTH, PLAIN),
        "2d-cnn-ct": Variant(("CT",), {**PLAIN, "branches": ONE_BRANCH, "dims": 2}),
        "2d-cnn-pet": Variant(("PET",), {**PLAIN, "branches": ONE_BRANCH, "dims": 2}),
        "2d-cnn-pet-ct": Variant(BOTH, {**PLAIN, "dims": 2}),
        "chmfl-2d": Variant(BOTH, {"dims": 2}),
    }
)


class SliceBySlice(nn.Module):
    """A two-dimensional CHMFL on volumes: every axial slice is an image of its own, and the patient is their mean.

    The paper does not say how its 2D networks come to one answer per patient; the mean of the slices' probabilities is
    our choice. `outcome` is its logarithm, so that softmax and cross-entropy work on it as on any logits.
    """

    def __init__(self, network: CHMFL) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, counted: Tensor | None = None) -> ChmflOutput:
        """Return both logits of `x` (N, C, D, H, W); `counted` (N, D) is true for slices that vote, None for all.

        Raises `ValueError` where no slice of an image votes, or where H and W do not suit the network.
        """
        if x.dim() != 5:
            raise ValueError(f"slices are taken from volumes (N, C, D, H, W), not {tuple(x.shape)}")
        images, depth = x.shape[0], x.shape[2]
        if counted is not None and not bool(counted.any(1).all()):
            raise ValueError("no slice of an image counts")
        output = self.network(x.transpose(1, 2).flatten(0, 1))
        votes = output.outcome.float().log_softmax(1).view(images, depth, -1)
        if counted is not None:
            votes = votes.masked_fill(~counted[..., None], -torch.inf)
        outcome = votes.logsumexp(1).log_softmax(1)
        mask = output.mask
        if mask is not None:
            mask = mask.unflatten(0, (images, depth)).transpose(1, 2)
        return ChmflOutput(outcome, mask)

    def outcome_logits(self, x: Tensor, counted: Tensor | None = None) -> Tensor:
        """Return the outcome logits (N, 2) of `forward`."""
        return self.forward(x, counted).outcome


def side_multiple(variant: str = "chmfl", **options: Any) -> int:
    """Return the number of which every side of the images of that network must be a multiple."""
    levels = {**VARIANTS[variant].options, **options}.get("levels", LEVELS.stop - 1)
    return int(2 ** (int(levels) - 1))


def build_chmfl(variant: str = "chmfl", **options: Any) -> CHMFL | SliceBySlice:
    """Return the untrained network called `variant`, its arguments overridden by `options`; see `CHMFL`.

    All take volumes (N, C, D, H, W) with the channels `VARIANTS[variant].roles`. Raises `ValueError` for a name that is
    not known and for options that do not fit.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, not {variant!r}")
    network = CHMFL(**{**VARIANTS[variant].options, **options})
    return SliceBySlice(network) if network.dims == 2 else network
