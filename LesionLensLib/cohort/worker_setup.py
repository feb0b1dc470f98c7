"""Preloaded by a Dask worker (`dask worker --preload LesionLensLib.cohort.worker_setup`): leaves Ctrl-C to the client.

A terminal sends Ctrl-C to every process of a run. The client is the one that knows what to tidy up.
"""

from __future__ import annotations

import signal


def dask_setup(worker: object) -> None:
    """Called by Dask in the main thread of the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
