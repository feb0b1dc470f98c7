"""Reading three channels, bringing them to 1 mm and normalising them, against MONAI."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from LesionLensLib.images.read import read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.images.write import write_volume
from LesionLensLib.inference.normalize import CLIP_PERCENTILES
from LesionLensLib.inference.prepared_channels import prepare_channels
from LesionLensLib.phantom import make_head_phantom
from Testing.Benchmarks.harness import Measured, Skipped, alternate, benchmark


def load(paths: list[Path]) -> np.ndarray:
    """Read with LesionLens: the channels (C, D, H, W) on a 1 mm grid of the first, z-scores over its head."""
    volumes = [read_volume(path) for path in paths]
    fine = volumes[0].grid.with_spacing((1.0, 1.0, 1.0))
    arrays = [resample(volume, fine).array for volume in volumes]
    head = arrays[0] > 0
    return prepare_channels(arrays, head, fine.spacing_mm[::-1], "zscore-brain")


@benchmark("load_vs_monai", "peer / ours", ">= 5")
def load_vs_monai() -> Measured:
    """Read three gzipped NIfTI files, resample to 1 mm, clip to percentiles, z-score; MONAI's chain does the same."""
    try:
        from monai.transforms import (
            ClipIntensityPercentilesd,
            Compose,
            EnsureChannelFirstd,
            LoadImaged,
            NormalizeIntensityd,
            Spacingd,
        )
    except ImportError as error:
        raise Skipped("MONAI is not installed (pip install lesionlens[bench])") from error
    phantom = make_head_phantom(0)
    with tempfile.TemporaryDirectory() as scratch:
        paths = [Path(scratch) / f"{role}.nii.gz" for role in phantom.channels]
        for path, volume in zip(paths, phantom.channels.values(), strict=True):
            write_volume(volume, path)
        keys = [path.name for path in paths]
        chain = Compose(
            [
                LoadImaged(keys),
                EnsureChannelFirstd(keys),
                Spacingd(keys, (1.0, 1.0, 1.0), mode="bilinear"),
                ClipIntensityPercentilesd(keys, *CLIP_PERCENTILES),
                NormalizeIntensityd(keys, nonzero=True),
            ]
        )
        files = {path.name: str(path) for path in paths}
        forms = {"monai": lambda: chain(dict(files)), "ours": lambda: load(paths)}
        seconds = alternate(forms, rounds=5)
        cpu_seconds = alternate(forms, rounds=1, clock=time.process_time)
    record = {"size": [3, *phantom.FLAIR.array.shape], "seconds": seconds, "cpu_seconds": cpu_seconds}
    return Measured(
        seconds["monai"] / seconds["ours"],
        "MONAI LoadImage, Spacing, ClipIntensityPercentiles, NormalizeIntensity",
        [record],
    )
