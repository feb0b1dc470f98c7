"""The memory ladder: from the whole volume at full speed down to small windows on the CPU, one step at a time."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.inference.cpu import choose_fast_path
from LesionLensLib.inference.device import DeviceChoice
from LesionLensLib.inference.memory import MEBIBYTE, available_memory, in_words
from LesionLensLib.inference.passes import Predictor, is_streamed, predict_windows, prepare
from LesionLensLib.inference.streamed_rsanet import can_stream

WINDOW = (96, 96, 96)
SMALLER_WINDOW = (48, 48, 48)
WINDOW_OVERLAP = 0.5
MEMORY_TO_USE = 0.9
OUT_OF_MEMORY = ("not enough memory", "can't allocate", "can't start new thread")

Answer = TypeVar("Answer")
Probability = NDArray[np.float32]
Tell = Callable[[float, str], None]
Preparer = Callable[[nn.Module, DeviceChoice, bool], Predictor]


@dataclass(frozen=True)
class Rung:
    """One way to run the network: where, how, and about how many bytes it takes beyond the images."""

    name: str
    choice: DeviceChoice
    bytes_needed: int
    lean: bool = False
    window: tuple[int, ...] | None = None


def _feature_width(net: nn.Module) -> int:
    """Return the channels of the network's largest feature volumes; a guess for a network that is no RSANet."""
    return net.stem.out_channels if can_stream(net) else 32


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception means that memory ran out, and nothing else."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY)


def plan_rungs(net: nn.Module, shape: Sequence[int], choice: DeviceChoice, lean: bool = False) -> list[Rung]:
    """Return the ladder for images of `shape` (C, D, H, W), from the fastest rung to the smallest."""
    where = "" if choice.device == "cpu" else f" on {choice.device}"
    rungs = []
    if not is_streamed(net, choice) and not (lean and can_stream(net)):
        rungs.append(Rung(f"whole volume{where}", choice, plain_bytes(net, shape)))
    if can_stream(net):
        rungs.append(Rung(f"streamed whole volume{where}", choice, streamed_bytes(net, shape, choice), lean=True))
    for window in (WINDOW, SMALLER_WINDOW):
        size = tuple(min(wanted, present) for wanted, present in zip(window, shape[1:], strict=True))
        needed = 8 * int(np.prod(shape[1:])) + streamed_bytes(net, (shape[0], *size), choice)
        rungs.append(Rung(f"windows of {' x '.join(map(str, size))}{where}", choice, needed, True, size))
    if choice.device != "cpu":
        on_cpu = replace(choice, device="cpu", fast=choose_fast_path())
        rungs += [replace(rung, name=f"{rung.name} on the CPU") for rung in plan_rungs(net, shape, on_cpu, lean)]
    return rungs


def plain_bytes(net: nn.Module, shape: Sequence[int]) -> int:
    """Return about how many bytes the module as it is takes beyond images of `shape` (C, D, H, W); rounded up."""
    return int(np.prod(shape[1:])) * 8 * 4 * _feature_width(net) + 64 * MEBIBYTE


def streamed_bytes(net: nn.Module, shape: Sequence[int], choice: DeviceChoice) -> int:
    """Return about how many bytes the streamed pass takes: a feature volume, as much again, and slabs."""
    item = 4 if choice.device != "cpu" else choice.fast.dtype.itemsize
    per_voxel = 2.6 * item * _feature_width(net) + item * shape[0] + 4
    return int(np.prod(shape[1:]) * per_voxel) + 64 * MEBIBYTE * (1 + choice.threads)


def run_with_ladder(
    net: nn.Module,
    x: Tensor,
    choice: DeviceChoice,
    lean: bool = False,
    progress: Tell | None = None,
    preparer: Preparer = prepare,
    available: Callable[[str], int | None] = available_memory,
) -> tuple[Probability, tuple[str, ...]]:
    """Return the probability (D, H, W) of images (1, C, D, H, W), and every step of the ladder in words.

    A rung that will not fit what is free is not tried; one that runs out of memory gives way to the next. The last
    entry names the rung that gave the answer. Raises `EnvironmentFault` when no rung is left; other errors pass.
    """
    tell: Tell = progress or (lambda fraction, text: None)

    def climb(rung: Rung) -> Probability:
        predictor = preparer(net, rung.choice, rung.lean)
        if rung.window is None:
            return predictor(x[0])
        return predict_windows(
            predictor, x[0], rung.window, WINDOW_OVERLAP, report=lambda fraction: tell(fraction, rung.name)
        )

    rungs = plan_rungs(net, x.shape[1:], choice, lean)
    return descend(rungs, climb, lambda rung: _form(net, rung), x.shape[2:], tell, available)


def descend(
    rungs: Sequence[Rung],
    climb: Callable[[Rung], Answer],
    form: Callable[[Rung], str],
    shape: Sequence[int],
    tell: Tell,
    available: Callable[[str], int | None] = available_memory,
) -> tuple[Answer, tuple[str, ...]]:
    """Return what `climb` gives on the first rung that fits and holds, and every step in words.

    `form` says in words how a rung computes, `shape` is that of the images. Raises as `run_with_ladder`.
    """
    steps: list[str] = []
    for rung in rungs:
        free = available(rung.choice.device)
        if free is not None and rung.bytes_needed > MEMORY_TO_USE * free:
            steps.append(
                f"{rung.name}: not tried, it needs about {in_words(rung.bytes_needed)}, {in_words(free)} is free"
            )
            tell(0.0, steps[-1])
            continue
        tell(0.0, rung.name)
        answer = _try(rung, climb)
        if answer is not None:
            steps.append(f"{rung.name}: done ({form(rung)})")
            return answer, tuple(steps)
        steps.append(f"{rung.name}: ran out of memory")
        tell(0.0, steps[-1])
    raise EnvironmentFault(
        f"There is not enough memory for images of {' x '.join(map(str, shape))} voxels.",
        "Close other programs, use a machine with more memory, or crop the images.",
        "; ".join(steps),
    )


def _form(net: nn.Module, rung: Rung) -> str:
    """Return the layout and number format a rung computes in."""
    on_cpu = rung.choice.device == "cpu"
    return rung.choice.fast.name if on_cpu and can_stream(net) else "plain float32"


def _try(rung: Rung, climb: Callable[[Rung], Answer]) -> Answer | None:
    """Run one rung; None if memory ran out, by then freed again (a kept traceback would hold on to it)."""
    try:
        return climb(rung)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    gc.collect()
    if rung.choice.device != "cpu":
        torch.cuda.empty_cache()
    return None
