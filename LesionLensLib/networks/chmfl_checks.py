"""What a CHMFL can be built of and what it takes, said in sentences that name the number that is wrong."""

from __future__ import annotations

from collections.abc import Sequence

AXES = {2: "H x W", 3: "D x H x W"}


def times(size: Sequence[int]) -> str:
    """Write a size as people do: 144 x 112 x 112."""
    return " x ".join(str(side) for side in size)


def check_sides(size: Sequence[int], dims: int, multiple: int) -> None:
    """Raise `ValueError` where a side of the grid `size`, (D, H, W) or (H, W) voxels, cannot be halved often enough.

    The sentence names the sides that do not suit and the nearest ones that do.
    """
    if len(size) != dims:
        raise ValueError(f"CHMFL takes a grid {AXES[dims]}, not {times(size)}")
    parts = []
    for name, side in zip(AXES[dims].split(" x "), size, strict=True):
        if side % multiple or side < 1:
            lower = side // multiple * multiple
            nearest = f"{lower} or {lower + multiple}" if lower else f"{multiple}"
            parts.append(f"{name} = {side} is not ({nearest} would be)")
    if parts:
        raise ValueError(
            f"CHMFL halves every side {multiple.bit_length() - 1} times, so every side ({AXES[dims]}) must be a "
            f"multiple of {multiple}; got {times(size)}: {', '.join(parts)}"
        )


def checked_branches(branches: Sequence[Sequence[int]], shared: bool) -> tuple[tuple[int, ...], ...]:
    """Return `branches` as tuples; raises `ValueError` unless they use the channels 0, 1, ... without a gap."""
    inputs = tuple(tuple(channels) for channels in branches)
    used = {channel for channels in inputs for channel in channels}
    if not inputs or not all(inputs) or used != set(range(len(used))):
        raise ValueError(f"branches must use the input channels 0, 1, ... without a gap, not {branches}")
    if shared and len({len(channels) for channels in inputs}) > 1:
        raise ValueError(f"shared branches must have equally many channels, not {branches}")
    return inputs
