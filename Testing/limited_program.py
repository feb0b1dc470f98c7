"""The real program with little memory: a limit of the operating system on its address space while its network runs.

The limit lies half-way between what the last step of the memory ladder is expected to need and what the one before it
is, so the ladder has to be climbed down to its end. Nothing of the ladder is replaced.
"""

import resource
import sys
from pathlib import Path

from LesionLensLib.cli.main import main
from LesionLensLib.inference import ladder, segment

REAL = segment.run_with_ladder


def run_limited(net, x, choice, lean=False, progress=None):
    """Call `run_with_ladder` under the limit."""
    needed = sorted({rung.bytes_needed for rung in ladder.plan_rungs(net, x.shape[1:], choice, lean)})
    free = int(sum(needed[:2]) / 2 / ladder.MEMORY_TO_USE)
    status = Path("/proc/self/status").read_text().splitlines()
    used = int(next(line for line in status if line.startswith("VmSize")).split()[1]) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (used + free, resource.RLIM_INFINITY))
    try:
        return REAL(net, x, choice, lean=lean, progress=progress)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


if __name__ == "__main__":
    segment.run_with_ladder = run_limited
    sys.exit(main())
