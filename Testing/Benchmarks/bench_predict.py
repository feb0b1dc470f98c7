"""How long the eight public test patients of the sarcoma model take, from files to reports, in one process."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import LesionLensError
from Testing.Benchmarks.harness import REPOSITORY, Measured, Skipped, benchmark, data_root
from Testing.Benchmarks.peak import high_water_mb

MODEL = "chmfl-sarcoma"
REPEATS = 3


@benchmark("predict_8_patients_seconds", "s", "<= 10")
def predict_8_patients_seconds() -> Measured:
    """Eight jobs one after another, the model read anew for each; imports are not counted."""
    folders = sorted(path for path in (data_root() / "sarcoma_petct" / "test_public").iterdir() if path.is_dir())
    try:
        find_card(MODEL)
    except LesionLensError as error:
        raise Skipped(error.message) from error
    runs = []
    for _ in range(REPEATS):
        command = [sys.executable, "-m", "Testing.Benchmarks.bench_predict", *(str(folder) for folder in folders)]
        run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        if run.returncode:
            raise RuntimeError(f"exit code {run.returncode}: {run.stderr.strip()}")
        runs.append(json.loads(run.stdout.splitlines()[-1]))
    middle = statistics.median(run["seconds"] for run in runs)
    return Measured(middle, "no peer: the paper gives about 10 s on a GTX 1080 Ti", runs)


def main() -> None:
    """Predict every case named on the command line; print seconds, processor seconds and peak memory as JSON."""
    from LesionLensLib.inference.predict import run_predict
    from LesionLensLib.jobs import PredictJob
    from LesionLensLib.progress import SilentProgress

    with tempfile.TemporaryDirectory() as scratch:
        started, worked = time.perf_counter(), time.process_time()
        for folder in map(Path, sys.argv[1:]):
            inputs = tuple((role, str(folder / f"{role}.nii.gz")) for role in ("PET", "CT"))
            mask = str(folder / "tumour.nii.gz")
            output = str(Path(scratch, folder.name))
            run_predict(PredictJob(inputs, output, MODEL, device="cpu", lesion_mask=mask), SilentProgress())
        figures = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - worked}
    print(json.dumps({**figures, "patients": len(sys.argv) - 1, "peak_memory_mb": high_water_mb()}))


if __name__ == "__main__":
    main()
