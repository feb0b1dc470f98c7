"""What this computer's processor can do, and which form of the network runs fastest on it."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.functional import conv3d

from LesionLensLib.inference.planes import has_onednn

BFLOAT16_UNITS = ("amx_bf16", "avx512_bf16")
"""Processor flags, as Linux names them, of units that multiply bfloat16 numbers faster than float32 ones."""

PROBE_ROUNDS = 5
CLEARLY_SLOWER = 1.5


@dataclass(frozen=True)
class FastPath:
    """The form in which a network runs: memory layout, number format, and why."""

    layout: str
    precision: str
    reason: str

    @property
    def name(self) -> str:
        """Short name for reports, such as "channels-last bfloat16"."""
        return f"{self.layout} {self.precision}"

    @property
    def dtype(self) -> torch.dtype:
        """The torch type of the features."""
        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32


PLAIN = FastPath("plain", "float32", "the network as it was trained, without any rewriting")


def bfloat16_unit(cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """Return the name of the processor's bfloat16 unit, or None if it has none or this cannot be known."""
    try:
        text = cpuinfo.read_text()
    except OSError:
        return _unit_known_to_torch()
    flags = next((line.split() for line in text.splitlines() if line.startswith("flags")), [])
    return next((unit for unit in BFLOAT16_UNITS if unit in flags), None)


def _unit_known_to_torch() -> str | None:
    """Ask torch where there is no /proc/cpuinfo (Windows, macOS); its query has no public name yet."""
    probes = {"amx_bf16": "_is_amx_tile_supported", "avx512_bf16": "_is_avx512_bf16_supported"}
    for unit, name in probes.items():
        query: Callable[[], bool] | None = getattr(torch.cpu, name, None)
        if query is not None and query():
            return unit
    return None


def choose_fast_path(
    unit: str | None = None, onednn: bool | None = None, timings: dict[str, float] | None = None
) -> FastPath:
    """Return the fastest form for this processor; arguments that are None are found out here.

    What the processor has decides, not a race: on a busy machine a race could end differently the next time, and the
    same input would no longer give the same bytes. The short timing only vetoes a form that is slower than the plain
    one beyond any noise, and its figures are part of the reason.
    """
    onednn = has_onednn() if onednn is None else onednn
    if not onednn:
        return FastPath(PLAIN.layout, PLAIN.precision, "this torch has no oneDNN, so nothing is faster than plain")
    unit = bfloat16_unit() if unit is None else unit
    precision = "bfloat16" if unit else "float32"
    timings = time_forms() if timings is None else timings
    gain = timings["plain float32"] / timings[f"channels-last {precision}"]
    why = f"the processor has {unit}" if unit else "the processor has no bfloat16 unit"
    if gain * CLEARLY_SLOWER < 1:
        return FastPath(PLAIN.layout, PLAIN.precision, f"{why}, but a test convolution ran {1 / gain:.1f} times slower")
    return FastPath("channels-last", precision, f"{why}; a test convolution ran {gain:.1f} times as fast as plain")


def time_forms(rounds: int = PROBE_ROUNDS) -> dict[str, float]:
    """Return the best CPU time in seconds of one small convolution in each form, taken in turn; about 0.1 s in all.

    One thread and its own clock: beside other work two threads wait for each other, and the same form was seen 28
    times slower. Smaller images than this would not be given to oneDNN in the plain form, and make it look ten times
    worse.
    """
    image = torch.linspace(-1, 1, 16 * 16 * 96 * 32).view(1, 16, 16, 96, 32)
    kernel = torch.linspace(-1, 1, 16 * 16 * 27).view(16, 16, 3, 3, 3)
    last = torch.channels_last_3d
    forms = {
        "plain float32": (image, kernel),
        "channels-last float32": (image.to(memory_format=last), kernel.to(memory_format=last)),
        "channels-last bfloat16": (image.bfloat16().to(memory_format=last), kernel.bfloat16().to(memory_format=last)),
    }
    best = dict.fromkeys(forms, math.inf)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for _ in range(rounds):
                for name, (volume, weight) in forms.items():
                    start = time.thread_time()
                    conv3d(volume, weight, padding=1)
                    best[name] = min(best[name], time.thread_time() - start)
    finally:
        torch.set_num_threads(threads)
    return best


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Return how many threads to compute with: torch's own choice, cut to this process's cores and its quota.

    In a container torch counts the cores of the whole machine; more threads than the quota slow everything down.
    """
    count = torch.get_num_threads()
    if hasattr(os, "sched_getaffinity"):
        count = min(count, len(os.sched_getaffinity(0)))
    try:
        quota, period = cgroup.read_text().split()
    except (OSError, ValueError):
        return max(1, count)
    return max(1, count if quota == "max" else min(count, math.ceil(int(quota) / int(period))))
