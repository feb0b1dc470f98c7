"""Slice attention against the non-local block, over a table of sizes: seconds of one core, and peak memory.

Two cores would wait for one another at every small step, which on a busy machine costs the faster form most.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from LesionLensLib.inference.fast_slice_attention import FastSliceAttention
from LesionLensLib.inference.memory import available_memory
from LesionLensLib.networks.non_local import NonLocalBlock
from LesionLensLib.networks.slice_attention import SliceAttention
from Testing.Benchmarks.harness import Measured, Skipped, alternate, benchmark, peak_mb

MAIN = (256, 30, 40, 32)
SIZES = ((512, 2, 10, 10), (256, 4, 20, 20), (256, 8, 16, 16), (128, 16, 20, 16), (256, 15, 20, 16), MAIN)
FORMS = (
    "non-local, map stored",
    "non-local, map never stored",
    "slice attention, plain",
    "slice attention, shipped",
    "slice attention, bfloat16",
)
PEER = "the non-local block (embedded Gaussian, C / 2) with its map stored, as published; ours in float32"


def map_bytes(size: tuple[int, ...]) -> int:
    """Return the bytes of one voxels x voxels map in float32 for `size` (C, D, H, W)."""
    voxels = size[1] * size[2] * size[3]
    return 4 * voxels * voxels


def stored_map_attention(block: NonLocalBlock, x: Tensor) -> Tensor:
    """Evaluate a non-local block as textbooks write it: product, softmax, product."""
    query, key, value = (layer(x).flatten(2) for layer in (block.theta, block.phi, block.g))
    mixed = (query.transpose(1, 2) @ key).softmax(2) @ value.transpose(1, 2)
    return x + block.output(mixed.transpose(1, 2).reshape(value.shape[:2] + x.shape[2:]))


def make_form(form: str, size: tuple[int, ...]) -> Callable[[], Any]:
    """Return one form of attention on random features of `size` (C, D, H, W), ready to be called, on one thread."""
    torch.manual_seed(0)
    channels = size[0]
    x = torch.randn(1, *size) * 0.3
    local = SliceAttention(channels)
    torch.nn.init.constant_(local.alpha, 0.1)
    non_local = NonLocalBlock(channels)
    torch.nn.init.normal_(non_local.output.weight, std=0.02)
    planes = x[0].permute(1, 2, 3, 0).contiguous()
    fast = FastSliceAttention(local)
    narrow, narrow_planes = FastSliceAttention(local, torch.bfloat16), planes.bfloat16()
    runs: dict[str, Callable[[], Any]] = {
        "non-local, map stored": lambda: stored_map_attention(non_local, x),
        "non-local, map never stored": lambda: non_local(x),
        "slice attention, plain": lambda: local(x),
        "slice attention, shipped": lambda: fast(planes),
        "slice attention, bfloat16": lambda: narrow(narrow_planes),
    }

    def run() -> Any:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                return runs[form]()
        finally:
            torch.set_num_threads(threads)

    return run


@cache
def table() -> tuple[dict[str, Any], ...]:
    """Measure every form at every size that fits the memory; once for both rows."""
    return tuple(_case(size) for size in SIZES)


def _case(size: tuple[int, ...]) -> dict[str, Any]:
    free = available_memory()
    fits = free is None or 2.3 * map_bytes(size) < free
    forms = [form for form in FORMS if fits or form != "non-local, map stored"]
    runs = {form: make_form(form, size) for form in forms}
    seconds = alternate(runs, rounds=1 if size == MAIN else 5, clock=time.process_time)
    peaks = {form: peak_mb("bench_attention", "make_form", form=form, size=list(size)) for form in forms}
    return {"size": list(size), "voxels": size[1] * size[2] * size[3], "cpu_seconds": seconds, "peak_mb": peaks}


def _main_ratio(key: str) -> Measured:
    cases = list(table())
    main = next(case for case in cases if case["size"] == list(MAIN))[key]
    if "non-local, map stored" not in main:
        raise Skipped(f"the stored map needs {2.3 * map_bytes(MAIN) / 1e9:.0f} GB of free memory")
    return Measured(main["non-local, map stored"] / main["slice attention, shipped"], PEER, cases)


@benchmark("rsa_vs_nonlocal_time", "peer / ours", ">= 40")
def rsa_vs_nonlocal_time() -> Measured:
    """Time of attention at C 256, 30 x 40 x 32."""
    return _main_ratio("cpu_seconds")


@benchmark("rsa_vs_nonlocal_memory", "peer / ours", ">= 28")
def rsa_vs_nonlocal_memory() -> Measured:
    """Peak memory of attention at C 256, 30 x 40 x 32."""
    return _main_ratio("peak_mb")
