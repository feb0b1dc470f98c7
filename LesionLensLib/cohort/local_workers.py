"""A Dask cluster of processes of this machine, for the time of one run."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Nanny, Scheduler, Security, SpecCluster

from LesionLensLib.cohort.dask_engine import DaskEngine, stopping
from LesionLensLib.cohort.gpu_gate import GATE_VARIABLE
from LesionLensLib.cohort.threads import thread_variables
from LesionLensLib.errors import EnvironmentFault

START_WITHIN_S, PATIENCE_S = 300, 600
VISIBLE = "CUDA_VISIBLE_DEVICES"
ONLY_HERE = "127.0.0.1"
SCRATCH = "lesionlens-workers-"
YOUNG_S = 60  # a run holds its folder a moment after it made it


@contextmanager
def local_workers(count: int, device: str, threads: int) -> Iterator[DaskEngine]:
    """A cluster of `count` processes; one that dies is replaced. Raises `EnvironmentFault` where they do not start."""
    remove_scratch_of_killed_runs()
    folder = Path(tempfile.mkdtemp(prefix=SCRATCH))
    settings: dict[str, Any] = {
        "distributed.scheduler.worker-ttl": None,  # a process that computes for minutes is not dead
        # A worker that died is started again; on a busy machine that was seen to take longer than the 15 s after which
        # Dask forgets it, and the run waited for ever.
        "distributed.deploy.lost-worker-timeout": f"{PATIENCE_S} s",
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        "distributed.worker.profile.enabled": False,  # nobody looks at it, and it took 6 % of a worker's time
        "distributed.nanny.pre-spawn-environ": thread_variables(threads),
    }
    try:
        with held(folder), _quiet(), dask.config.set(settings), _cluster(count, device, folder) as client:
            try:
                client.wait_for_workers(1, timeout=START_WITHIN_S)
            except TimeoutError as error:
                message = f"No worker has started within {START_WITHIN_S} s."
                raise EnvironmentFault(message, "Close other programs, or use --workers 1.", str(error)) from error
            with stopping(DaskEngine(client, {}, PATIENCE_S)) as engine:
                yield engine
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_scratch_of_killed_runs() -> None:
    """Delete the temporary folders that nobody holds any more; a run that was killed left them. Not on Windows."""
    if sys.platform == "win32":
        return  # nobody can tell there who holds one
    for folder in Path(tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        with suppress(OSError), held(folder):  # somebody else's, or a run's that goes on
            if folder.stat().st_mtime < time.time() - YOUNG_S:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder until the end, which a killed process lets go; raises `OSError` where another one holds it."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


@contextmanager
def _cluster(count: int, device: str, folder: Path) -> Iterator[Client]:
    security = _security()
    protocol = "tcp://" if security is None else "tls://"
    shared = {"host": ONLY_HERE, "protocol": protocol, "security": security}
    scheduler = {"cls": Scheduler, "options": {**shared, "dashboard": False, "dashboard_address": f"{ONLY_HERE}:0"}}
    worker = {
        **shared,
        "nthreads": 1,
        "dashboard": False,
        "dashboard_address": f"{ONLY_HERE}:0",
        "memory_limit": 0,  # the memory ladder of each case looks after that; Dask would kill the worker
        "local_directory": str(folder),
        "preload": ["LesionLensLib.cohort.worker_setup"],
        "silence_logs": logging.CRITICAL,
    }
    specs = {
        number: {"cls": Nanny, "options": {**worker, "env": variables}}
        for number, variables in enumerate(_gpu_variables(count, device, folder))
    }
    with (
        SpecCluster(specs, scheduler, security=security, silence_logs=logging.CRITICAL) as cluster,
        Client(cluster, security=security) as client,
    ):
        yield client


def _security() -> Security | None:
    """Return keys made for this run, so that no other user of the machine can give the workers orders.

    None where the package that makes them is missing: then whoever has an account on this machine could.
    """
    return None if find_spec("cryptography") is None else Security.temporary()


def _gpu_variables(count: int, device: str, folder: Path) -> list[dict[str, str]]:
    """Return the environment of each worker: with GPUs which one it uses, and the gate it shares with others there."""
    gpus = _gpus(device)
    if not gpus:
        return [{}] * count
    if sys.platform == "win32":
        count = min(count, len(gpus))  # there is no gate on Windows
    chosen = [gpus[number % len(gpus)] for number in range(count)]
    gates = [{GATE_VARIABLE: str(folder / f"gpu-{gpu.replace('/', '-')}.lock")} for gpu in chosen]
    if ":" in device:  # the device is named, and must keep its number
        return gates
    return [{**gate, VISIBLE: gpu} for gate, gpu in zip(gates, chosen, strict=True)]


def _gpus(device: str) -> list[str]:
    """Return the GPUs to share out, by the names that `CUDA_VISIBLE_DEVICES` understands; none for work on the CPU."""
    if device == "cpu":
        return []
    import torch

    if not torch.cuda.is_available():
        return []
    if ":" in device:
        return [device.partition(":")[2]]
    visible = os.environ.get(VISIBLE)
    names = [name.strip() for name in visible.split(",")] if visible else []
    return names or [str(number) for number in range(torch.cuda.device_count())]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's remarks on lost workers off the terminal; what matters is said in `cohort.csv`."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
