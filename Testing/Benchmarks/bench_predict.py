"""How long predictions take from files to reports: eight sarcoma patients in one process, and one brain lesion.

Imports are not counted. The same cases are then predicted with the networks as they were trained, without any rewriting
for speed: an answer that moved is no measurement.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import LesionLensError
from Testing.Benchmarks.harness import REPOSITORY, Measured, Skipped, benchmark, data_root
from Testing.Benchmarks.peak import high_water_mb

SARCOMA, BRAIN = "chmfl-sarcoma", "attention-resnet-brainmet"
REPEATS = 3
LARGEST_DIFFERENCE = 1e-3
AS_TRAINED = "--as-trained"


@benchmark("predict_8_patients_seconds", "s", "<= 10")
def predict_8_patients_seconds() -> Measured:
    """Eight jobs one after another, the model read anew for each."""
    folders = _folders(SARCOMA, "sarcoma_petct/test_public")
    middle, runs = _measure(SARCOMA, folders)
    return Measured(middle, "no peer: the paper gives about 10 s on a GTX 1080 Ti", runs)


@benchmark("predict_brain_lesion_seconds", "s", "<= 3")
def predict_brain_lesion_seconds() -> Measured:
    """One lesion in a stripped head of 240 x 240 x 155 voxels, bias field, brain scores and all networks."""
    middle, runs = _measure(BRAIN, _folders(BRAIN, "brain_tumour_nc_sa")[:1])
    return Measured(middle, "no peer", runs)


def _folders(model: str, below: str) -> list[Path]:
    try:
        find_card(model)
    except LesionLensError as error:
        raise Skipped(error.message) from error
    place = data_root() / below
    if not place.is_dir():
        raise Skipped(f"no real data in {below}")
    return sorted(path for path in place.iterdir() if path.is_dir())


def _measure(model: str, folders: list[Path]) -> tuple[float, list[dict[str, Any]]]:
    """Return the median seconds and the runs: on all cores, on one, and one with the networks as they were trained."""
    runs = [_run(model, folders) for _ in range(REPEATS)]
    one, plain = _run(model, folders, cores=1), _run(model, folders, AS_TRAINED, cores=1)
    pairs = zip(one["probabilities"], plain["probabilities"], strict=True)
    difference = max(abs(ours - theirs) for ours, theirs in pairs)
    if difference > LARGEST_DIFFERENCE:
        raise RuntimeError(f"a probability of {model} moved by {difference:.4f} against that of the plain networks")
    compared = {"one_core": one, "one_core_as_trained": plain, "largest_difference": difference}
    return statistics.median(run["seconds"] for run in runs), [*runs, compared]


def _run(model: str, folders: list[Path], *options: str, cores: int | None = None) -> dict[str, Any]:
    command = [sys.executable, "-m", "Testing.Benchmarks.bench_predict", *options, model, *map(str, folders)]
    environment = os.environ if cores is None else {**os.environ, "OMP_NUM_THREADS": str(cores)}
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"exit code {run.returncode}: {run.stderr.strip()}")
    figures: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return figures


def main(arguments: list[str]) -> None:
    """Predict every case of a model named on the command line; print seconds, memory and probabilities as JSON."""
    from LesionLensLib.inference import predict
    from LesionLensLib.jobs import PredictJob
    from LesionLensLib.progress import SilentProgress

    if AS_TRAINED in arguments:
        arguments = [argument for argument in arguments if argument != AS_TRAINED]
        predict.fold_networks = lambda networks: networks
    model, *folders = arguments
    roles = find_card(model).roles
    probabilities = []
    with tempfile.TemporaryDirectory() as scratch:
        started, worked = time.perf_counter(), time.process_time()
        for folder in map(Path, folders):
            inputs = tuple((role, str(folder / f"{role}.nii.gz")) for role in roles)
            mask = next(str(path) for path in sorted(folder.glob("tumour*.nii.gz")))
            output = str(Path(scratch, folder.name))
            job = PredictJob(inputs, output, model, device="cpu", lesion_mask=mask)
            probabilities.append(predict.run_predict(job, SilentProgress())["result"]["probability"])
        figures = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - worked}
    told = {"patients": len(folders), "peak_memory_mb": high_water_mb(), "probabilities": probabilities}
    print(json.dumps({**figures, **told}))


if __name__ == "__main__":
    main(sys.argv[1:])
