"""Inputs for the segmentation benchmarks: a real case where there is one, else the phantom; weights likewise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import LesionLensError
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.network import load_model
from LesionLensLib.inference.normalize import normalize
from LesionLensLib.networks.rsanet import RSANet
from LesionLensLib.phantom import make_head_phantom
from Testing.Benchmarks.harness import Skipped, data_root

ROLES = ("T1", "T2", "FLAIR")
PUBLIC_TEST = "lj_p07"
MARGIN_VOXELS = 4


@dataclass(frozen=True)
class Case:
    """Normalised images (C, D, H, W) at 1 mm, cropped to the brain, with the true lesions (D, H, W)."""

    name: str
    images: Tensor
    lesion: NDArray[np.bool_]


@cache
def segmentation_case() -> Case:
    """Return the public test case, or the phantom where there is no real data."""
    try:
        folder = data_root() / "ms" / "test_public" / PUBLIC_TEST
        volumes = {name: read_volume(folder / f"{name}.nii.gz") for name in (*ROLES, "brain", "lesion")}
        return _cropped(PUBLIC_TEST, volumes)
    except Skipped:
        phantom = make_head_phantom(0)
        return _cropped("phantom 0", {**phantom.channels, "brain": phantom.brain, "lesion": phantom.lesion})


def _cropped(name: str, volumes: dict[str, Volume]) -> Case:
    fine = volumes["FLAIR"].grid.with_spacing((1.0, 1.0, 1.0))
    masks = {role: resample(volumes[role], fine, "nearest").array > 0 for role in ("brain", "lesion")}
    inside = [np.flatnonzero(masks["brain"].any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    box = tuple(slice(max(0, found[0] - MARGIN_VOXELS), found[-1] + 1 + MARGIN_VOXELS) for found in inside)
    brain = masks["brain"][box]
    stack = [normalize(resample(volumes[role], fine).array[box], brain) for role in ROLES]
    return Case(name, torch.from_numpy(np.stack(stack)), masks["lesion"][box])


@cache
def segmentation_network() -> tuple[nn.Module, str]:
    """Return the shipped network, or one of base width 16 with seeded random weights, and which it is."""
    try:
        return load_model(find_card("rsanet-ms")).network, "weights of rsanet-ms"
    except LesionLensError:
        torch.manual_seed(0)
        network = RSANet(base_width=16).eval()
        for block in (network.encoder_attention, network.centre_attention, network.decoder_attention):
            nn.init.constant_(block.alpha, 0.1)
        return network, "random weights, base width 16"


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the Dice overlap of two masks; 1 where both are empty."""
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0
