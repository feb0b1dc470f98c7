"""A finished result beside the DICOM series it belongs to, and the objects read back by other programs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import write_series
from scipy.spatial.transform import Rotation

from LesionLensLib.catalogue import find_card
from LesionLensLib.geometry import Grid
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.segmentation_file import Segment, write_segmentation
from LesionLensLib.images.volume import Volume
from LesionLensLib.images.write import write_volume
from LesionLensLib.model_card import ModelCard

AXES = Rotation.from_euler("xyz", (12, 25, -8), degrees=True).as_matrix() @ np.diag([1.0, 1.0, -1.0])
GRID = Grid((9, 8, 6), (0.8, 1.1, 3.3), (-31.5, 12.25, 7.75), tuple(AXES.ravel()))
PATIENT = "Müller^Jörg"


@dataclass(frozen=True)
class FinishedResult:
    """A result folder without DICOM objects, the series of its reference image, and what lies in the images."""

    folder: Path
    series: Path
    card: ModelCard
    labels: Volume
    map: Volume

    @property
    def files(self) -> list[Path]:
        return sorted(self.series.iterdir())


def finished_result(folder: Path, model: str) -> FinishedResult:
    """Write an oblique series stacked against its normal, and on its grid two lesions, a probability and a map."""
    values = np.random.default_rng(4)
    scan = Volume(values.integers(-50, 900, GRID.shape).astype(np.int16), GRID)
    series = write_series(scan, folder / "series", PATIENT, "Ax FLAIR")
    grid, card, result = read_volume(series).grid, find_card(model), folder / "result"
    result.mkdir()
    labels = np.zeros(grid.shape, np.uint8)
    labels[1:4, 2:5, 3:8], labels[4, 6, 1:3] = 1, 2
    label = card.labels[0]
    segments = [Segment(f"{label.id}-{n}", f"{label.name} {n}", n, label.color, label.terminology) for n in (1, 2)]
    write_segmentation(Volume(labels, grid), segments, result / "segmentation.seg.nrrd")
    write_volume(Volume(values.random(grid.shape, dtype=np.float32), grid), result / "probability.nrrd")
    impact = Volume(values.normal(0, 0.01, grid.shape).astype(np.float32), grid)
    write_volume(impact, result / "map.nrrd")
    return FinishedResult(result, series, card, Volume(labels, grid), impact)


def lesion_record(number: int, probability: float) -> dict[str, Any]:
    """Return what the report of a prediction says of a lesion, as far as DICOM takes it."""
    return {
        "lesion": number,
        "probability": probability,
        "interval": [0.21, 0.63],
        "class": "no lung metastasis",
        "calibrated": True,
        "tumour_volume_ml": 3.25 / number,
        "given_volume_ml": 3.0,
        "text": f"Probability of lung metastasis: {probability:.2f}.",
    }


def dcmqi(program: str, *arguments: str) -> None:
    """Run a program of dcmqi, which is built on DCMTK and ITK; the test is skipped where there is none."""
    found = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
    if found is None:
        pytest.skip(f"no {program}: dcmqi has no wheel for this computer")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def segments_by_dcmqi(path: Path, folder: Path) -> tuple[list[Volume], dict[str, Any]]:
    """Return each segment as dcmqi reads it, on a grid that may be cropped to it, and dcmqi's description."""
    folder.mkdir()
    arguments = ["--outputDirectory", str(folder), "--prefix", "seg", "--outputType", "nrrd"]
    dcmqi("segimage2itkimage", "--inputDICOM", str(path), *arguments)
    return [read_volume(one) for one in sorted(folder.glob("seg-*.nrrd"))], _json(folder / "seg-meta.json")


def map_by_dcmqi(path: Path, folder: Path) -> tuple[Volume, dict[str, Any]]:
    """Return a parametric map as dcmqi reads it, and dcmqi's description."""
    folder.mkdir()
    arguments = ["--outputDirectory", str(folder), "--prefix", "map", "--outputType", "nrrd"]
    dcmqi("paramap2itkimage", "--inputDICOM", str(path), *arguments)
    return read_volume(folder / "map-pmap.nrrd"), _json(folder / "map-meta.json")


def report_by_dcmqi(path: Path, folder: Path) -> dict[str, Any]:
    """Return a structured report as dcmqi's reader of TID 1500 understands it."""
    folder.mkdir()
    dcmqi("tid1500reader", "--inputDICOM", str(path), "--outputMetadata", str(folder / "report.json"))
    return _json(folder / "report.json")


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
