"""Who does the orders: this process itself, or workers of a Dask cluster."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.util import find_spec
from types import TracebackType
from typing import Protocol, Self

from LesionLensLib.cohort.order import Order, Outcome
from LesionLensLib.cohort.work import do_case
from LesionLensLib.errors import Cancelled, EnvironmentFault

INSTALL_DASK = "Install it with: pip install 'lesionlens[cohort]', or leave out --scheduler and use --workers 1."


class Engine(Protocol):
    """Takes orders and hands back what came of them, in any order."""

    def free(self) -> int:
        """Return how many more orders can be worked on at once; only so many may be given."""

    def submit(self, order: Order) -> None:
        """Have a case done."""

    def finished(self, timeout_s: float) -> list[Outcome]:
        """Wait for the next cases to end, at most so long, and return what came of them."""


class InProcess:
    """Does one case after the other right here; for a machine without Dask."""

    def __init__(self) -> None:
        self._order: Order | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def free(self) -> int:
        return int(self._order is None)

    def submit(self, order: Order) -> None:
        self._order = order

    def finished(self, timeout_s: float) -> list[Outcome]:
        order, self._order = self._order, None
        outcomes = [] if order is None else [do_case(order)]
        if any(outcome.cancelled for outcome in outcomes):
            raise Cancelled  # the signal that stopped the case was meant for the run
        return outcomes


def open_engine(workers: int, scheduler: str | None, device: str, threads: int) -> AbstractContextManager[Engine]:
    """Return the engine to use: a cluster to join, workers of this machine, or without Dask this process.

    Raises `EnvironmentFault` where Dask is needed and not installed.
    """
    if find_spec("distributed") is None:
        if scheduler is not None or workers > 1:
            raise EnvironmentFault("A cohort on several workers needs Dask, which is not installed.", INSTALL_DASK)
        return InProcess()
    if scheduler is None:
        from LesionLensLib.cohort.local_workers import local_workers

        return local_workers(workers, device, threads)
    from LesionLensLib.cohort.dask_engine import joined_cluster

    return joined_cluster(scheduler, device)
