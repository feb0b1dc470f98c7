"""A cohort of many small cases: what a second worker adds, what the engine costs, whether memory stays flat.

The cases are those of the tests, so small that everything but the network shows. Real cases take longer each, which
hides what the engine costs, and need more memory, which is freed in the same way.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from Testing.Benchmarks.harness import REPOSITORY, Measured, Skipped, benchmark

IMAGES, CASES, MANY, ROUNDS = 6, 200, 200, 3
FIRST, LAST = slice(20, 40), slice(-20, None)
# In a process of its own: the cohort without Dask, and the resident memory after every case.
FLAT = """
import sys
from pathlib import Path
from LesionLensLib.cohort import engine
from LesionLensLib.cohort.request import CohortRequest
from LesionLensLib.cohort.run import run_cohort
from LesionLensLib.progress import SilentProgress

engine.find_spec = lambda name: None
folder = Path(sys.argv[1])

class Watch(SilentProgress):
    def update(self, phase, fraction, text):
        status = Path("/proc/self/status").read_text()
        print(int(status.split("VmRSS:")[1].split()[0]) / 1024)

settings = {"device": "cpu"}
request = CohortRequest(folder / "manifest.csv", folder / "out", "predict", str(folder / "model"), settings)
assert run_cohort(request, Watch())["cases"]["error"] == 0
"""
# Nothing but arithmetic for a while: what processes that share nothing get out of this machine at this moment.
LOOP = """
import time
until, rounds = time.monotonic() + 2, 0
while time.monotonic() < until:
    rounds += 1
    sum(number * number for number in range(20000))
print(rounds)
"""


@contextmanager
def cohort_files(count: int) -> Iterator[Path]:
    """A folder with a tiny outcome model and a manifest of `count` cases; several cases share images."""
    sys.path[:0] = [str(REPOSITORY / "Testing"), str(REPOSITORY / "Testing" / "cli")]
    from predict_files import make_case
    from tiny_outcome_model import write_tiny_outcome_model

    from LesionLensLib.images import write_volume

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tiny_outcome_model(folder / "model", folder / "patients")
        for number in range(IMAGES):
            for role, volume in make_case(30 + number).items():
                write_volume(volume, folder / f"{role}{number}.nii.gz")
        with (folder / "manifest.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["case", "patient", "PET", "CT", "lesion"])
            for number in range(count):
                paths = [f"{role}{number % IMAGES}.nii.gz" for role in ("PET", "CT", "lesion")]
                writer.writerow([f"case{number:03}", f"patient{number:03}", *paths])
        yield folder


def run_workers(folder: Path, workers: int) -> dict[str, Any]:
    """Run the cohort as the command does; return cases a minute and seconds of computing a case, in all processes.

    `per_minute` is the pace of the second half, when every worker has long started; a real cohort is much longer.
    """
    output = folder / f"out-{workers}-{time.monotonic_ns()}"
    command = [sys.executable, "-m", "LesionLensLib", "cohort", str(folder / "manifest.csv"), "--task", "predict"]
    options = ["--model", str(folder / "model"), "--output", str(output), "--workers", str(workers), "--device", "cpu"]
    before = _children_seconds()
    subprocess.run([*command, *options], cwd=REPOSITORY, check=True, capture_output=True)
    report = json.loads((output / "cohort-report.json").read_text())
    computing = (_children_seconds() - before) / report["cases"]["done"]
    ended = sorted(path.stat().st_mtime for path in output.glob("*/report.json"))[CASES // 2 :]
    return {
        "per_minute": round(60 * (len(ended) - 1) / (ended[-1] - ended[0]), 1),
        "with_start_per_minute": report["timing"]["cases_per_minute"],
        "cpu_seconds_a_case": round(computing, 3),
    }


@benchmark("cohort_two_workers", "times 1 worker", ">= 1.6")
def two_workers() -> Measured:
    """Compare cases a minute with two workers and with one, and say what two loops of arithmetic gain meanwhile."""
    if find_spec("distributed") is None:
        raise Skipped("Dask is not installed: pip install 'lesionlens[cohort]'")
    if len(os.sched_getaffinity(0)) < 2:
        raise Skipped("this machine has one core")
    rows = []
    with cohort_files(CASES) as folder:
        for _ in range(ROUNDS):
            for workers in (1, 2):
                pace = {"workers": workers, "cases": CASES, **run_workers(folder, workers)}
                rows.append({**pace, "arithmetic_per_second": arithmetic(workers)})
    one, two = (_median(rows, workers, "per_minute") for workers in (1, 2))
    allowed = _median(rows, 2, "arithmetic_per_second") / _median(rows, 1, "arithmetic_per_second")
    told = f"1 worker: {one:.1f}, 2 workers: {two:.1f} cases a minute; two loops of arithmetic gain {allowed:.2f}"
    return Measured(two / one, told, rows)


def arithmetic(processes: int) -> float:
    """Return how many rounds of arithmetic so many processes do in a second, all together."""
    running = [subprocess.Popen([sys.executable, "-c", LOOP], stdout=subprocess.PIPE) for _ in range(processes)]
    return sum(int(process.communicate()[0]) for process in running) / 2


def _median(rows: Sequence[dict[str, Any]], workers: int, name: str) -> float:
    return statistics.median(row[name] for row in rows if row["workers"] == workers)


@benchmark("cohort_memory_growth", "MB", "<= 20 over 180 cases")
def memory_growth() -> Measured:
    """Compare the resident memory after the last cases of 200 with that after cases 20 to 40."""
    if not Path("/proc/self/status").exists():
        raise Skipped("resident memory is read from /proc")
    with cohort_files(MANY) as folder:
        command = [sys.executable, "-c", FLAT, str(folder)]
        done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
    sizes = [float(line) for line in done.stdout.split()]
    first, last = statistics.median(sizes[FIRST]), statistics.median(sizes[LAST])
    row = {"cases": MANY, "after_20_to_40_mb": round(first, 1), "last_20_mb": round(last, 1), "most_mb": max(sizes)}
    return Measured(last - first, f"{first:.0f} MB after the first cases, {last:.0f} MB after the last", [row])


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
