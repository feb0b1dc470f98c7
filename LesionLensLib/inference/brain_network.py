"""The small network that finds the brain inside the head, so that RSANet's intensities are those of brain alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from LesionLensLib.geometry import Grid
from LesionLensLib.images.resample import resample
from LesionLensLib.images.volume import Volume
from LesionLensLib.inference.foreground import head_mask, largest_part
from LesionLensLib.inference.normalize import normalize
from LesionLensLib.networks.rsanet import RSANet

SPACING_MM = (3.0, 3.0, 3.0)
BASE_WIDTH = 8
PREFIX = "brain_mask."


def make_brain_network(in_channels: int) -> RSANet:
    """Return the untrained network: the plain 3D U-Net of RSANet without attention, at a quarter of its width."""
    return RSANet(in_channels, 2, BASE_WIDTH, attention="000", kind="none", dropout=0.0)


def brain_features(channels: Mapping[str, Volume], reference_role: str, grid: Grid) -> NDArray[np.float32]:
    """Return the network's input `(C, D, H, W)` on the coarse `grid`: z-scores over the head, 0 in the air."""
    coarse = {role: resample(smoothed(volume), grid) for role, volume in channels.items()}
    head = head_mask(coarse[reference_role])
    return np.stack([normalize(volume.array, head) for volume in coarse.values()])


def find_brain(
    channels: Mapping[str, Volume], reference_role: str, weights: Mapping[str, torch.Tensor]
) -> NDArray[np.bool_]:
    """Return the brain mask `(D, H, W)` on the grid of the channels, which all share one grid turned to patient axes.

    `weights` are those of `make_brain_network`. The network works at 3 mm; its probability is interpolated back, so
    that the outline is smooth at any spacing. The largest part is kept and its holes are filled.
    """
    fine = channels[reference_role].grid
    grid = fine.with_spacing(SPACING_MM)
    network = make_brain_network(len(channels))
    network.load_state_dict(dict(weights))
    network.eval()
    with torch.inference_mode():
        logits = network(torch.from_numpy(brain_features(channels, reference_role, grid))[None])
    probability = logits.softmax(1)[0, 1].numpy()
    mask = resample(Volume(probability, grid), fine).array > 0.5
    return largest_part(mask)


def smoothed(volume: Volume) -> Volume:
    """Blur a volume to the coarse spacing before it is sampled there, or thin bright structures would alias."""
    sigma = [0.4 * coarse / fine for coarse, fine in zip(SPACING_MM[::-1], volume.grid.spacing_mm[::-1], strict=True)]
    return volume.with_array(ndimage.gaussian_filter(volume.array.astype(np.float32), sigma, truncate=2.0))
