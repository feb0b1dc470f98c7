"""`python -m Testing.Benchmarks.attention_cost FILE.json`: what slice attention and the non-local block cost, by size.

FLOPs and the memory of live tensors are counted by torch's own counters while the real blocks run on tensors without
content, so that sizes count that no machine holds. Beside them stands the highest memory of a real process, where the
size fits this machine. There is no date and no name of a machine in the file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils.flop_counter import FlopCounterMode

from LesionLensLib.inference.memory import available_memory
from LesionLensLib.networks.non_local import NonLocalBlock
from LesionLensLib.networks.slice_attention import SliceAttention
from Testing.Benchmarks.bench_attention import map_bytes, stored_map_attention
from Testing.Benchmarks.harness import peak_mb

SIZES = (
    (512, 2, 10, 10),
    (256, 4, 20, 20),
    (512, 8, 8, 8),
    (256, 16, 16, 16),
    (256, 6, 30, 40),
    (128, 32, 32, 32),
    (32, 128, 128, 128),
    (32, 256, 512, 512),
)
"""(C, D, H, W): the sizes of a table in the design notes; the last is the image for which the paper drew its claim."""

NON_LOCAL, NON_LOCAL_FULL, SLICES = "non-local, C / 2", "non-local, C", "slice attention"
PROCESS = {NON_LOCAL: "non-local, map stored", SLICES: "slice attention, plain"}
MOST_BYTES = 2**33
"""A map of which the two copies of the softmax and the rest fit a common machine."""


def count(size: tuple[int, ...]) -> dict[str, Any]:
    """Return FLOPs (products of attention, projections) and bytes of live tensors for `size` (C, D, H, W) in float32.

    A multiplication and an addition are two FLOPs. The bytes are the input's and the most that was alive beside it; the
    weights are not counted.
    """
    with FakeTensorMode(), torch.no_grad():
        x = torch.empty(1, *size)
        half, full, slices = NonLocalBlock(size[0]), NonLocalBlock(size[0], size[0]), SliceAttention(size[0])
        forms: dict[str, Callable[[], Tensor]] = {
            NON_LOCAL: lambda: stored_map_attention(half, x),
            NON_LOCAL_FULL: lambda: stored_map_attention(full, x),
            SLICES: lambda: slices(x),
        }
        return {name: {**_flops(run), "live_bytes": x.nbytes + _live_bytes(run)} for name, run in forms.items()}


def _flops(run: Callable[[], Tensor]) -> dict[str, int]:
    with FlopCounterMode(display=False) as counter:
        run()
    total = counter.get_total_flops()
    products = int(counter.get_flop_counts()["Global"][torch.ops.aten.bmm])
    return {"product_flops": products, "projection_flops": total - products}


def _live_bytes(run: Callable[[], Tensor]) -> int:
    with MemTracker() as tracker:
        run()
    kinds = tracker.get_tracker_snapshot("peak")[torch.device("cpu")]
    # Input and weights were there before: the tracker calls OTH and PARAM what it did not see made.
    return int(sum(value for kind, value in kinds.items() if getattr(kind, "name", "") in {"ACT", "TEMP"}))


def measure(size: tuple[int, ...]) -> dict[str, float]:
    """Return the MB that each form adds to a real process at its peak; empty where that does not fit."""
    free = available_memory()
    if map_bytes(size) > MOST_BYTES or (free is not None and 2.5 * map_bytes(size) > free):
        return {}
    return {
        name: round(peak_mb("bench_attention", "make_form", form=form, size=list(size)), 1)
        for name, form in PROCESS.items()
    }


def main() -> None:
    """Write the file named on the command line."""
    records = []
    for size in SIZES:
        print(size, flush=True)
        records.append({"size": list(size), "counted": count(size), "process_mb": measure(size)})
    text = json.dumps({"torch": torch.__version__, "sizes": records}, indent=1) + "\n"
    Path(sys.argv[1]).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
