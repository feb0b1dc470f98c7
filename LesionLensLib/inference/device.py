"""Where the network runs: `--device auto|cpu|cuda|cuda:N`, decided with a reason and proved by a real computation."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

import torch
from torch.nn.functional import conv3d

from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.inference.cpu import PLAIN, FastPath, choose_fast_path, usable_cores

REQUEST = re.compile(r"auto|cpu|cuda(:\d{1,3})?")
ON_THE_CPU = "Use --device auto or --device cpu."


@dataclass(frozen=True)
class DeviceChoice:
    """The device ("cpu", "cuda:0"), one sentence why, the form the network takes there, and the threads it may use."""

    device: str
    reason: str
    fast: FastPath
    threads: int = 1


def choose_device(requested: str = "auto", fast_cpu: bool = True) -> DeviceChoice:
    """Return where to run for a `--device` value; without `fast_cpu` a network runs on a CPU as it was trained.

    Raises `UserError` if the value is malformed and `EnvironmentFault` if the device asked for is absent or fails.
    """
    if not REQUEST.fullmatch(requested):
        raise UserError(f'"{requested}" is not a device.', "Give auto, cpu, cuda or cuda:N with a number N.")
    if requested == "cpu":
        return _on_cpu("the CPU was asked for", fast_cpu)
    if requested == "auto":
        return _automatic(fast_cpu)
    name = requested if ":" in requested else "cuda:0"
    fault = cuda_fault(name)
    if fault:
        raise EnvironmentFault(f"The device {requested} cannot be used: {fault}.", ON_THE_CPU)
    return DeviceChoice(name, f"{requested} was asked for: {torch.cuda.get_device_name(name)}", PLAIN, usable_cores())


def _automatic(fast_cpu: bool) -> DeviceChoice:
    if not torch.cuda.is_available():
        return _on_cpu("no CUDA device was found", fast_cpu)
    fault = cuda_fault("cuda:0")
    if fault:
        return _on_cpu(f"the GPU failed a small test: {fault}", fast_cpu)
    name = torch.cuda.get_device_name("cuda:0")
    return DeviceChoice("cuda:0", f"a CUDA device was found: {name}", PLAIN, usable_cores())


def _on_cpu(why: str, fast_cpu: bool) -> DeviceChoice:
    if not fast_cpu:
        return DeviceChoice("cpu", why, PLAIN, usable_cores())
    fast = choose_fast_path()
    return DeviceChoice("cpu", f"{why}; {fast.name}, because {fast.reason}", fast, usable_cores())


def cuda_fault(name: str) -> str:
    """Return why the CUDA device `name` ("cuda:0") cannot compute, or an empty string if it can."""
    if not torch.cuda.is_available():
        return "this computer has no CUDA device that torch can use"
    count = torch.cuda.device_count()
    if int(name.partition(":")[2]) >= count:
        return f"there are only {count} CUDA devices, counted from 0"
    try:
        summed = conv3d(torch.ones(1, 1, 3, 3, 3, device=name), torch.ones(1, 1, 3, 3, 3, device=name))
        answer = float(summed)
    except RuntimeError as error:
        return str(error).splitlines()[0].rstrip(".")
    return "" if answer == 27 else f"a small convolution gave {answer} instead of 27"


def make_deterministic() -> None:
    """Make the same input give the same bytes on the same machine: deterministic kernels, no race between kernels.

    cuBLAS needs its workspace fixed before it is first used. torch would also fill every new tensor with NaN in this
    mode, which costs time and finds nothing here. `use_deterministic_algorithms` sets the same and imports torch's
    compiler for it: 1.5 s that nothing here has use for.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_deterministic_debug_mode("warn")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
