"""How many threads a worker computes with: the same for any number of workers, or the last digits would differ.

Sums split over two threads are rounded otherwise than over one: with rsanet-ms the probabilities of one case differed
in their last bits. Many workers of one thread each also do more cases an hour than one worker of many.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)  # fmt: skip


def thread_variables(threads: int) -> dict[str, str]:
    """Return the environment variables that libraries read once, when they are loaded."""
    return dict.fromkeys(VARIABLES, str(threads))


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Let the libraries that can be told after they were loaded compute with so many threads for a while."""
    import SimpleITK as sitk
    import torch

    before = torch.get_num_threads(), sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    torch.set_num_threads(threads)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before[1])
