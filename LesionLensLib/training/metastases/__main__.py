"""Make a data set of simulated metastases: `python -m LesionLensLib.training.metastases MS_DATA FOLDER`.

MS_DATA is the folder of the shared multiple-sclerosis images; its test patients are never touched. FOLDER gets a folder
a patient and `cohort.csv`, the table that `lesionlens train` takes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from LesionLensLib.errors import LesionLensError
from LesionLensLib.training.metastases.cohort import CohortRecipe, simulate_cohort, write_cohort
from LesionLensLib.training.metastases.simulate import SimulatedPatient
from LesionLensLib.training.metastases.soil_sources import choose_tested, read_soils


def main(arguments: list[str] | None = None) -> int:
    """Simulate and write; returns the exit code."""
    parser = argparse.ArgumentParser(prog="metastases", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lesions", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--phantoms", type=int, default=3, help="digital phantoms among the brains")
    parser.add_argument(
        "--test", action="append", metavar="NAME", help="anatomy kept for the test split (repeat; default: two)"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        soils = read_soils(options.data, options.phantoms)
        tested = choose_tested(soils, options.test)
        patients = _told(simulate_cohort(soils, CohortRecipe(options.lesions, options.seed)), options.lesions)
        summary = write_cohort(patients, options.folder, tested)
    except LesionLensError as error:
        print(f"error: {error.message}\nremedy: {error.remedy}", file=sys.stderr)
        return error.exit_code
    print(json.dumps({"tested": list(tested), **summary}, indent=1))
    return 0


def _told(patients: Iterator[SimulatedPatient], lesions: int) -> Iterator[SimulatedPatient]:
    produced = 0
    for patient in patients:
        produced += len(patient.lesions)
        print(f"{produced} of {lesions} lesions: {patient.ground.name}", file=sys.stderr)
        yield patient


if __name__ == "__main__":
    sys.exit(main())
