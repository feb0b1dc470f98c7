"""Threads that each work on their own part of a volume, with one computing thread inside each.

Splitting every small operation over all cores, as torch does by itself, makes the cores wait for one another thousands
of times in a streamed pass; on a machine that also does other work each wait costs a time slice. Splitting the volume
once needs one meeting per layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from types import TracebackType
from typing import TypeVar

import torch

Part = TypeVar("Part")
Outcome = TypeVar("Outcome")


class Workers:
    """A context that maps a function over parts on `count` threads; the results keep the order of the parts.

    Inside of it torch itself uses one thread, in the workers and between them.
    """

    def __init__(self, count: int) -> None:
        self.count = max(1, count)
        self._pool: ThreadPoolExecutor | None = None
        self._threads_before = torch.get_num_threads()

    def __enter__(self) -> Workers:
        self._threads_before = torch.get_num_threads()
        if self.count > 1:
            torch.set_num_threads(1)
            self._pool = ThreadPoolExecutor(self.count, "plane-worker")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        torch.set_num_threads(self._threads_before)

    def map(self, function: Callable[[Part], Outcome], parts: Sequence[Part]) -> list[Outcome]:
        """Return `[function(part) for part in parts]`, computed side by side; an error is raised at the end."""

        def run(part: Part) -> Outcome:
            with torch.inference_mode():
                return function(part)

        if self._pool is None or len(parts) < 2:
            return [run(part) for part in parts]
        futures = [self._pool.submit(run, part) for part in parts]
        return [future.result() for future in futures]


def contiguous_chunks(items: Sequence[Part], count: int) -> list[Sequence[Part]]:
    """Cut `items` into at most `count` runs of nearly equal length, none empty, order kept."""
    count = min(count, len(items))
    edges = [round(index * len(items) / count) for index in range(count + 1)] if count else [0]
    return [items[low:high] for low, high in pairwise(edges)]
