"""`lesionlens check`: whether the networks can run here, proved by a computation on the device that is asked for.

That a package is found is no proof: a half-written installation is found too, and imports as an empty package.
"""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.progress import Progress

_AGAIN = "Install PyTorch again; in Slicer, press Install in the panel, or use the module PyTorch Utils."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `check`."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Compute a small convolution and say with what; raises `EnvironmentFault` where that is not possible."""
    proof = prove(options.device)
    progress.result(proof)
    if options.progress != "json":
        print("\n".join(f"{name:<12} {value}" for name, value in proof.items()))
    return 0


def prove(device: str) -> dict[str, object]:
    """Import what the networks need, convolve on `device`, and return versions, device and result.

    Raises `EnvironmentFault` where a package is missing or broken, or the device cannot be used; `UserError` for a
    malformed device.
    """
    torch = _import_torch()
    from LesionLensLib.inference.device import choose_device

    choice = choose_device(device)
    answer = _convolve(torch, choice.device)
    return {"torch": str(torch.__version__), "device": choice.device, "reason": choice.reason, "convolution": answer}


def _import_torch() -> Any:
    try:
        torch, _ = importlib.import_module("torch"), importlib.import_module("safetensors")
        importlib.import_module("safetensors.torch")
        answer = _convolve(torch, "cpu")
    except Exception as error:  # a half-written package raises whatever its first missing part leads to
        if isinstance(error, ModuleNotFoundError) and error.name in ("torch", "safetensors"):
            raise EnvironmentFault(f"{error.name} is not installed.", _AGAIN, str(error)) from error
        raise EnvironmentFault("PyTorch is installed but does not work.", _AGAIN, repr(error)) from error
    if answer != 27:
        told = f"a small convolution gave {answer} instead of 27"
        raise EnvironmentFault("PyTorch is installed but does not work.", _AGAIN, told)
    return torch


def _convolve(torch: Any, device: str) -> float:
    ones = torch.ones(1, 1, 3, 3, 3, device=device)
    return float(torch.nn.functional.conv3d(ones, ones))
