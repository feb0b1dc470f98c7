"""Segmentation: the command on native cases, the shipped pass against the plain module, and against windows."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from LesionLensLib.catalogue import find_card
from LesionLensLib.errors import LesionLensError
from LesionLensLib.inference.device import choose_device
from LesionLensLib.inference.passes import predict_whole, predict_windows, prepare
from Testing.Benchmarks.cases import ROLES, dice, segmentation_case, segmentation_network
from Testing.Benchmarks.harness import REPOSITORY, Measured, Skipped, alternate, benchmark, data_root, peak_mb

WINDOW = (96, 96, 96)
OVERLAP = 0.25
THRESHOLD = 0.5


def make_pass(form: str) -> Callable[[], Any]:
    """Return the pass named `form` ("plain", "shipped" or "lean") over the segmentation case, ready to be called."""
    network, _ = segmentation_network()
    images = segmentation_case().images
    if form == "plain":
        return lambda: predict_whole(network, images)
    predictor = prepare(network, choose_device("cpu"), lean=form == "lean")
    return lambda: predictor(images)


@benchmark("segment_fast_vs_plain", "peer / ours", ">= 4 with bfloat16 units, never below 1")
def segment_fast_vs_plain() -> Measured:
    """The shipped CPU path against the module as it is, float32, on the same whole volume."""
    case, (_, weights) = segmentation_case(), segmentation_network()
    forms = {form: make_pass(form) for form in ("plain", "shipped")}
    seconds = alternate(forms, rounds=3)
    found = {form: run() > THRESHOLD for form, run in forms.items()}
    record = {
        "case": case.name,
        "size": list(case.images.shape),
        "network": weights,
        "path": choose_device("cpu").fast.name,
        "seconds": seconds,
        "cpu_seconds": alternate(forms, rounds=1, clock=time.process_time),
        "peak_mb": {form: peak_mb("bench_segment", "make_pass", form=form) for form in forms},
        "dice_with_truth": {form: dice(mask, case.lesion) for form, mask in found.items()},
        "dice_with_each_other": dice(found["plain"], found["shipped"]),
    }
    return Measured(seconds["plain"] / seconds["shipped"], "the plain float32 module, whole volume", [record])


@benchmark("segment_vs_monai_window", "peer / ours", ">= 1.5")
def segment_vs_monai_window() -> Measured:
    """The whole-volume pass against a sliding window with overlap 0.25, the same fast form of the network in both."""
    network, weights = segmentation_network()
    images = segmentation_case().images
    predictor = prepare(network, choose_device("cpu"))
    windowed, peer = _windowed(predictor, images)
    seconds = alternate({"whole": lambda: predictor(images), "windows": windowed}, rounds=3)
    record = {"size": list(images.shape), "window": WINDOW, "network": weights, "seconds": seconds}
    return Measured(seconds["windows"] / seconds["whole"], peer, [record])


def _windowed(predictor: Callable[[Tensor], Any], images: Tensor) -> tuple[Callable[[], Any], str]:
    import torch

    try:
        from monai.inferers import sliding_window_inference
    except ImportError:
        peer = "our own Gaussian windows with overlap 0.25, because MONAI is not installed (group bench)"
        return lambda: predict_windows(predictor, images, WINDOW, OVERLAP), peer

    def network(batch: Tensor) -> Tensor:
        return torch.stack([torch.from_numpy(predictor(image)) for image in batch]).unsqueeze(1)

    def run() -> Tensor:
        return sliding_window_inference(images[None], WINDOW, 1, network, overlap=OVERLAP, mode="gaussian")

    return run, "MONAI sliding_window_inference, Gaussian, overlap 0.25"


@benchmark("segment_native_seconds", "s", "<= 20")
def segment_native_seconds() -> Measured:
    """From the command to written results, on every native case with its own transforms; the slowest counts."""
    folders = sorted(path for path in (data_root() / "ms" / "native").iterdir() if path.is_dir())
    try:
        find_card("rsanet-ms")
    except LesionLensError as error:
        raise Skipped(error.message) from error
    with tempfile.TemporaryDirectory() as scratch:
        cases = [_run_command(folder, Path(scratch) / folder.name) for folder in folders]
    slowest = max(case["seconds"] for case in cases)
    return Measured(slowest, "no peer: the slowest of the native cases", cases)


def _run_command(folder: Path, output: Path, repeats: int = 2) -> dict[str, Any]:
    command = [sys.executable, "-m", "LesionLensLib", "segment", "--output", str(output), "--overwrite"]
    for role in ROLES:
        command += ["--input", f"{role}={folder / f'{role}.nii.gz'}"]
        transform = folder / f"{role}_to_FLAIR.txt"
        if transform.exists():
            command += ["--transform", f"{role}={transform}"]
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run = subprocess.run(
            [*command, "--progress", "none"], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        seconds.append(time.perf_counter() - start)
        if run.returncode:
            raise RuntimeError(f"{folder.name}: exit code {run.returncode}: {run.stderr.strip()}")
    report = json.loads((output / "report.json").read_text())
    kept = {key: report[key] for key in ("timing", "peak_memory_mb", "ladder")}
    return {"case": folder.name, "seconds": statistics.median(seconds), **kept}
