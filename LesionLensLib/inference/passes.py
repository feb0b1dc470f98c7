"""Ways to send a volume through a network: the whole volume at once, or blended windows.

GroupNorm and slice attention look at everything they are given, so a whole-volume answer and a windowed one come from
different functions. LesionLens's answer is the whole-volume one; windows are for volumes that do not fit the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from LesionLensLib.inference.device import DeviceChoice
from LesionLensLib.inference.streamed_rsanet import StreamedRSANet, can_stream

Predictor = Callable[[Tensor], NDArray[np.float32]]
"""Takes images (C, D, H, W) and returns the lesion probability (D, H, W)."""

BLENDINGS = ("gaussian", "uniform")


def predict_whole(net: nn.Module, x: Tensor) -> NDArray[np.float32]:
    """Return the probability (D, H, W) of class 1 for images (C, D, H, W), by the module as it is."""
    with torch.inference_mode():
        probability: Tensor = net(x.unsqueeze(0)).float().softmax(1)[0, 1]
        return probability.cpu().numpy()


def prepare(net: nn.Module, choice: DeviceChoice, lean: bool = False) -> Predictor:
    """Return the fastest predictor for `choice`, or with `lean` the one that needs least memory.

    An RSANet is streamed where that is faster (`is_streamed`) and always when lean; both give the whole-volume answer.
    Anything else runs as it is.
    """
    net = net.eval().to(choice.device)
    on_gpu = choice.device != "cpu"
    if can_stream(net) and (lean or is_streamed(net, choice)):
        dtype = torch.float32 if on_gpu else choice.fast.dtype
        workers = 1 if on_gpu else choice.threads
        streamed = StreamedRSANet(net, dtype, workers)
        return lambda x: streamed(x.to(choice.device)).cpu().numpy()
    return lambda x: predict_whole(net, x.to(choice.device))


def is_streamed(net: nn.Module, choice: DeviceChoice) -> bool:
    """Tell whether the fastest pass for `choice` is the streamed one, which is then also the leanest."""
    return can_stream(net) and choice.device == "cpu" and choice.fast.layout != "plain"


def predict_windows(
    predictor: Predictor,
    x: Tensor,
    window: Sequence[int],
    overlap: float = 0.5,
    weights: str = "gaussian",
    report: Callable[[float], None] | None = None,
) -> NDArray[np.float32]:
    """Return the probability (D, H, W) for images (C, D, H, W), blended from overlapping windows.

    `window` is (D, H, W) in voxels and is cut to the volume; neighbours share at least the fraction `overlap`.
    Gaussian weights have a standard deviation of an eighth of the window, the value of nnU-Net and MONAI.
    """
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap is a fraction from 0 up to but not including 1, not {overlap}")
    size = [min(wanted, present) for wanted, present in zip(window, x.shape[1:], strict=True)]
    weight = window_weights(size, weights)
    total = np.zeros(x.shape[1:], np.float32)
    norm = np.zeros_like(total)
    places = list(window_places(x.shape[1:], size, overlap))
    for index, place in enumerate(places):
        total[place] += weight * predictor(x[(slice(None), *place)])
        norm[place] += weight
        if report is not None:
            report((index + 1) / len(places))
    total /= norm
    return total


def window_places(shape: Sequence[int], size: Sequence[int], overlap: float) -> Iterator[tuple[slice, ...]]:
    """Yield the windows that cover `shape`: evenly spread, the first and last flush with the ends."""
    starts = []
    for extent, length in zip(shape, size, strict=True):
        step = max(1, int(length * (1 - overlap)))
        count = 1 + -(-(extent - length) // step)
        starts.append([round(index * (extent - length) / max(1, count - 1)) for index in range(count)])
    for corner in product(*starts):
        yield tuple(slice(start, start + length) for start, length in zip(corner, size, strict=True))


def window_weights(size: Sequence[int], weights: str) -> NDArray[np.float32]:
    """Return the blending weights (D, H, W) of a window, at most 1 and nowhere 0."""
    if weights not in BLENDINGS:
        raise ValueError(f"weights must be one of {BLENDINGS}, not {weights!r}")
    field = np.ones(tuple(size), np.float32)
    if weights == "gaussian":
        for axis, length in enumerate(size):
            offset = (np.arange(length) - (length - 1) / 2) / (length / 8)
            shape = [length if dimension == axis else 1 for dimension in range(3)]
            field *= np.exp(-0.5 * offset**2).astype(np.float32).reshape(shape)
    return np.maximum(field, 1e-3, dtype=np.float32)
