"""What the cache of preprocessed cases saves a training that begins again."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from LesionLensLib.manifest import ManifestRow
from LesionLensLib.phantom import write_head_phantom
from LesionLensLib.training.case_cache import NO_CACHE, CaseCache
from LesionLensLib.training.sources_cached import cached_brain
from Testing.Benchmarks.harness import Measured, alternate, benchmark


@benchmark("train_cached_brain", "peer / ours, processor-seconds", ">= 10")
def train_cached_brain() -> Measured:
    """Prepare a head for a segmentation training, three channels at 1 mm without shading, against reading it kept."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        write_head_phantom(home, 1, small=True)
        files = {role: home / f"{role}.nii.gz" for role in ("T1", "T2", "FLAIR", "brain", "lesion")}
        row, cache = ManifestRow("head", "head", files=files), CaseCache(home / "cache")
        forms = {"prepared": lambda: cached_brain(row, NO_CACHE), "kept": lambda: cached_brain(row, cache)}
        seconds = alternate(forms, clock=time.process_time)
        size_mb = sum(path.stat().st_size for path in (home / "cache").iterdir()) / 1e6
    case = {**{f"{name}_seconds": round(value, 4) for name, value in seconds.items()}, "size_mb": round(size_mb, 1)}
    return Measured(seconds["prepared"] / seconds["kept"], "the same case prepared from its images", [case])
