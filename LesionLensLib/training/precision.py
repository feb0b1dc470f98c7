"""The number formats of a training: what a recipe may ask for, and what it gets where.

`fp32` is exact resumption on any device; `bf16` keeps the range of fp32 and needs no care; `fp16` has three digits more
than bf16, but overflows above 65504 and needs its loss scaled, for which a CUDA device alone has use.
"""

from __future__ import annotations

import torch

from LesionLensLib.progress import Progress

PRECISIONS = ("fp32", "bf16", "fp16")


def precision_on(precision: str, device: torch.device) -> str:
    """Return the precision that a training on `device` has where its recipe asks for `precision`."""
    return "fp32" if precision == "fp16" and device.type != "cuda" else precision


def tell_of_precision(precision: str, device: torch.device, progress: Progress) -> None:
    """Say why another precision is taken than the one asked for, if so."""
    if precision_on(precision, device) != precision:
        progress.warn(f"precision {precision} is for GPUs: on a {device.type.upper()} it is slower than fp32, "
                      "which is taken instead.")  # fmt: skip
