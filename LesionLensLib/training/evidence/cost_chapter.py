"""The chapter on what slice attention costs beside a non-local block, and on the claim of 28 and 100 times."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from LesionLensLib.errors import UserError
from LesionLensLib.training.evidence.markdown import table

HALF, FULL, SLICES = "non-local, C / 2", "non-local, C", "slice attention"
MEMORY_CLAIM, FLOPS_CLAIM = 28.0, 100.0
IMAGE = [256, 512, 512]
"""The volume with which the paper speaks of the non-local block's cost."""

_PREFIXES = ("", "k", "M", "G", "T", "P", "E")

Size = Mapping[str, Any]


def cost_chapter(path: Path) -> list[str]:
    """Return the lines of the chapter from the saved measurement; raises `UserError` where it cannot be read."""
    try:
        sizes: list[Size] = json.loads(path.read_text(encoding="utf-8"))["sizes"]
    except (OSError, ValueError, KeyError) as error:
        message = f"The measurement {path.name} cannot be read."
        raise UserError(message, "Make it again with --measure.", repr(error)) from error
    return [
        "## 5. What slice attention costs beside a non-local block",
        "",
        "The RSANet paper says that slice attention needs *at least 28 times less GPU memory and 100 times fewer "
        "FLOPs* than a non-local block, and names no tensor for which that holds.",
        "",
        "The blocks of this program ran on tensors without content under torch's own counters (FLOPs: a "
        "multiplication and an addition are two; memory: the most that lives at once, input included, weights not, "
        "float32, no gradients). Slice attention is the paper's, with three projections repeated in each of three "
        "passes; the non-local block is Wang et al.'s, its map stored, with half the channels inside, which is the "
        "cheaper reading; the last column of ratios has it with all channels. These are counts, not samples: they "
        "have no interval.",
        "",
        *_table(sizes),
        "The highest memory of a real process is what one call added on a CPU, where two copies of the map fit in "
        "memory; below some 30 MB the libraries' own buffers are most of it.",
        "",
        *_statement(sizes),
    ]


def ratio(size: Size, key: str, other: str = HALF) -> float:
    """Return how many times as much of `key` (flops, product_flops, live_bytes) a non-local block needs."""
    return _value(size, other, key) / _value(size, SLICES, key)


def _value(size: Size, form: str, key: str) -> float:
    counted = size["counted"][form]
    if key == "flops":
        return float(counted["product_flops"] + counted["projection_flops"])
    return float(counted[key])


def _table(sizes: Sequence[Size]) -> list[str]:
    header = ("C, D x H x W", "voxels", "FLOPs of the products: ratio", "all FLOPs: non-local", "slices", "ratio",
              "ratio, all channels", "live memory: non-local", "slices", "ratio", "real process: non-local",
              "slices")  # fmt: skip
    rows = []
    for size in sizes:
        channels, *extent = size["size"]
        voxels = extent[0] * extent[1] * extent[2]
        measured = [_megabytes(size["process_mb"].get(form)) for form in (HALF, SLICES)]
        rows.append((
            f"{channels}, {' x '.join(map(str, extent))}", f"{voxels:,}", _times(ratio(size, "product_flops")),
            _scaled(_value(size, HALF, "flops"), "FLOP"), _scaled(_value(size, SLICES, "flops"), "FLOP"),
            _times(ratio(size, "flops")), _times(ratio(size, "flops", FULL)),
            _scaled(_value(size, HALF, "live_bytes"), "B"), _scaled(_value(size, SLICES, "live_bytes"), "B"),
            _times(ratio(size, "live_bytes")), *measured,
        ))  # fmt: skip
    return table(header, rows)


def _statement(sizes: Sequence[Size]) -> list[str]:
    inside = [size for size in sizes if size["size"][1:] != IMAGE]
    flops, memory = _named(inside, "flops", FLOPS_CLAIM), _named(inside, "live_bytes", MEMORY_CLAIM)
    dearer = [_name(size) for size in inside if ratio(size, "flops") < 1]
    larger = [_name(size) for size in inside if ratio(size, "live_bytes") < 1]
    return [
        "**So the claim must not be repeated without a size.** Of these sizes, 100 times fewer FLOPs hold for "
        f"{flops}; 28 times less memory for {memory}. Both hold by any margin one likes for a whole image "
        f"({' x '.join(map(str, IMAGE))}), where nobody can run a non-local block at all. Where both can be used, at "
        f"the bottom of the U-Net, slice attention takes *more* FLOPs ({'; '.join(dearer) or 'at no size here'}) and "
        f"at the smallest of them no less memory ({'; '.join(larger) or 'at no size here'}), because its projections "
        "are done three times. Its products alone are cheaper at every size, and its maps hold D^2 + H^2 + W^2 "
        "numbers in place of (D H W)^2.",
        "",
    ]


def _named(sizes: Sequence[Size], key: str, claim: float) -> str:
    names = [_name(size) for size in sizes if ratio(size, key) >= claim]
    return "; ".join(names) if names else "none"


def _name(size: Size) -> str:
    channels, *extent = size["size"]
    return f"{channels}, {' x '.join(map(str, extent))}"


def _times(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def _megabytes(value: float | None) -> str:
    if value is None:
        return "does not fit"
    return f"{value:.0f} MB" if value >= 1 else "under 1 MB"


def _scaled(value: float, unit: str) -> str:
    power = min(max(int(math.log10(value)) // 3, 0), len(_PREFIXES) - 1)
    return f"{value / 1000**power:.3g} {_PREFIXES[power]}{unit}"
