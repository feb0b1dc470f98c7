"""Cases on the workers of a Dask cluster, one case a worker at a time.

No worker has a second case waiting: when a worker dies, Dask counts it against every task it held, and after a few
deaths gives these tasks up. A case that kills its worker would take innocent ones with it.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from LesionLensLib.cohort.order import Failure, Order, Outcome
from LesionLensLib.cohort.work import do_case
from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.report import without_paths

GPU = "GPU"
JOIN_WITHIN_S, STOP_WITHIN_S, COUNT_WORKERS_EVERY_S = 30, 10.0, 1.0
LOST = "The worker was lost several times while it worked on this case, most likely because memory ran out."
LOST_REMEDY = "Use fewer workers or add --lean, then run again with --resume."


class DaskEngine:
    """Gives orders to the workers of a client; with `resources` only to those that have them.

    Where no worker was there for `patience_s` seconds nobody can be hoped for any more; None waits for ever.
    """

    def __init__(self, client: Client, resources: dict[str, float], patience_s: float | None = None) -> None:
        self._client, self._resources, self._patience_s = client, resources, patience_s
        self._seen = time.monotonic()
        self._under_way: dict[str, tuple[Future, Order]] = {}
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._workers, self._counted = 0, float("-inf")

    def free(self) -> int:
        """Return how many workers have nothing to do; raises `EnvironmentFault` where nobody is left."""
        self._count()
        return max(0, self._workers - len(self._under_way))

    def submit(self, order: Order) -> None:
        """Have a case done by any worker; Dask begins it anew where the worker is lost."""
        key = f"{order.case}-{Path(order.mark).name}"
        future = self._client.submit(do_case, order, key=key, pure=False, resources=self._resources or None)
        self._under_way[key] = future, order
        future.add_done_callback(self._ended.put)

    def finished(self, timeout_s: float) -> list[Outcome]:
        """Return the cases that have ended; raises `EnvironmentFault` where scheduler or workers are gone for good."""
        self._count()
        ended = []
        with suppress(queue.Empty):
            ended.append(self._ended.get(timeout=timeout_s))
            while True:
                ended.append(self._ended.get_nowait())
        if self._under_way and self._client.status not in ("running", "connecting"):
            _scheduler_gone()
        return [self._outcome(future) for future in ended]

    def stop(self) -> None:
        """Wait a while for the cases under way to notice that nobody waits for them, so that they tidy up."""
        until = time.monotonic() + STOP_WITHIN_S
        while self._under_way and time.monotonic() < until:
            with suppress(queue.Empty):
                self._under_way.pop(self._ended.get(timeout=0.1).key)

    def _count(self) -> None:
        now = time.monotonic()
        if now - self._counted < COUNT_WORKERS_EVERY_S:
            return
        self._workers, self._counted = _count_workers(self._client, self._resources), now
        if self._workers:
            self._seen = now
        elif self._patience_s is not None and now - self._seen > self._patience_s:
            raise EnvironmentFault(
                "The workers have died and none could be started again.",
                "Free some memory, then run again with --resume and fewer workers.",
            )

    def _outcome(self, future: Future) -> Outcome:
        _, order = self._under_way.pop(future.key)
        if future.status == "finished":
            outcome: Outcome = future.result()
            return outcome
        if future.status != "error":
            _scheduler_gone()
        error = future.exception()
        if isinstance(error, KilledWorker):
            return Outcome(order.case, failure=Failure(EnvironmentFault.exit_code, LOST, LOST_REMEDY))
        message = f"A worker could not begin this case ({type(error).__name__})."
        remedy = "Install the same version of LesionLens for all workers."
        return Outcome(order.case, failure=Failure(1, message, remedy, without_paths(repr(error))))


@contextmanager
def stopping(engine: DaskEngine) -> Iterator[DaskEngine]:
    """End with the cases that are under way told to stop."""
    try:
        yield engine
    finally:
        engine.stop()


@contextmanager
def joined_cluster(address: str, device: str) -> Iterator[DaskEngine]:
    """Somebody else's cluster, for example of `dask-jobqueue`; it goes on when the context ends.

    Raises `UserError` for what is no address, and `EnvironmentFault` where no scheduler answers there.
    """
    try:
        client = Client(address, timeout=JOIN_WITHIN_S)
    except (OSError, TimeoutError) as error:
        raise EnvironmentFault(
            f"No Dask scheduler answers at {address}.", "Start it, or correct --scheduler.", str(error)
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        message = f"{address or 'Nothing'} is not the address of a Dask scheduler."
        raise UserError(message, "Write it as tcp://HOST:8786, as the scheduler shows it.", str(error)) from error
    with client, stopping(DaskEngine(client, _resources(client, device))) as engine:
        yield engine


def _resources(client: Client, device: str) -> dict[str, float]:
    """Return what a worker must have: a GPU to itself where one is asked for, or where any worker offers one."""
    wants_gpu = device.startswith("cuda") or (device == "auto" and _count_workers(client, {GPU: 1.0}) > 0)
    return {GPU: 1.0} if wants_gpu else {}


def _count_workers(client: Client, resources: dict[str, float]) -> int:
    known = client.scheduler_info(n_workers=-1)["workers"].values()
    return sum(all(worker["resources"].get(name, 0) >= least for name, least in resources.items()) for worker in known)


def _scheduler_gone() -> NoReturn:
    raise EnvironmentFault(
        "The connection to the Dask scheduler was lost.", "Start it again and run the cohort again with --resume."
    )
