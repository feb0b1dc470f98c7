"""Make a data set of simulated metastases: `python -m LesionLensLib.training.metastases MS_DATA FOLDER`.

MS_DATA is the folder of the shared multiple-sclerosis images; its test patients are never touched.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from LesionLensLib.inference.lesion_roi import FULL_ROI, LIGHT_ROI
from LesionLensLib.training.metastases.cohort import CohortRecipe, simulate_cohort, write_cohort
from LesionLensLib.training.metastases.samples import LesionSample
from LesionLensLib.training.metastases.soil_sources import read_soils


def main() -> int:
    parser = argparse.ArgumentParser(prog="metastases", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lesions", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--phantoms", type=int, default=3, help="digital phantoms among the brains")
    parser.add_argument("--full", action="store_true", help="cubes of 96 voxels of 1 mm, not of 64 of 1.5 mm")
    options = parser.parse_args()
    torch.set_num_threads(1)
    soils = read_soils(options.data, options.phantoms)
    recipe = CohortRecipe(options.lesions, options.seed, preset=FULL_ROI if options.full else LIGHT_ROI)
    summary = write_cohort(_told(simulate_cohort(soils, recipe), options.lesions), options.folder)
    print(summary)
    return 0


def _told(samples: Iterator[LesionSample], count: int) -> Iterator[LesionSample]:
    for number, sample in enumerate(samples, start=1):
        print(f"{number} of {count}: {sample.case}", file=sys.stderr)
        yield sample


if __name__ == "__main__":
    sys.exit(main())
