"""Become a process of a team, as `torchrun` says in the environment; without it, train alone."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed as dist

from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.training.team import ALONE, Team

LONGEST_WAIT = timedelta(days=2)
"""While the first process plants lesions or judges a network, the others wait; one that is gone is noticed at once."""
_NEEDED = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@contextmanager
def join_team(device: str) -> Iterator[tuple[Team, str]]:
    """Give the team and this process's own device for a `--device` value; the team parts when the block ends.

    Raises `UserError` where the environment is half that of torchrun or the device is one GPU for several processes,
    and `EnvironmentFault` where the processes do not find each other.
    """
    size = _number("WORLD_SIZE", 1)
    if size == 1:
        yield ALONE, device
        return
    missing = [name for name in _NEEDED if name not in os.environ]
    if missing:
        message = f"WORLD_SIZE says {size} processes, but {missing[0]} is not set."
        raise UserError(message, "Start them with torchrun, or unset WORLD_SIZE.")
    own = _own_device(device, _number("LOCAL_RANK", 0))
    if own.startswith("cuda"):
        torch.cuda.set_device(int(own.partition(":")[2]))
    try:
        # What is said, such as where a file is, goes by gloo on any device; gradients of GPUs go by NCCL.
        backend = "cpu:gloo,cuda:nccl" if own.startswith("cuda") else "gloo"
        dist.init_process_group(backend, timeout=LONGEST_WAIT)
    except (RuntimeError, ValueError) as error:
        message = "The processes of this training do not find each other."
        raise EnvironmentFault(message, "Check the options --nnodes and --rdzv-endpoint of torchrun.",
                               repr(error)) from error  # fmt: skip
    # Weights of 1 x 1 x 1 have several names for one layout; nothing is to be done about it.
    warnings.filterwarnings("ignore", "Grad strides do not match")
    try:
        yield Team(dist.get_rank(), dist.get_world_size()), own
    finally:
        dist.destroy_process_group()


def _own_device(device: str, local_rank: int) -> str:
    if ":" in device:
        raise UserError(
            f"{device} is one GPU, and there are several processes.",
            "Give --device cuda: each process then takes the GPU of its number on its machine.",
        )
    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        return f"cuda:{local_rank}"
    return "cpu" if device == "auto" else device


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    if text and not text.isdigit():
        raise UserError(f"The environment variable {name} is {text!r}.", "Start the training with torchrun.")
    return int(text) if text else default
