"""Grad-CAM against a plain forward pass of the same network, and against MONAI's."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import numpy as np
import torch

from LesionLensLib.explain.gradcam import gradcam
from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import OutputReadout
from LesionLensLib.geometry import Grid
from LesionLensLib.networks.resnet3d import ResNet3d
from Testing.Benchmarks.harness import Measured, Skipped, alternate, benchmark

SIDE, STRIDE = 96, 32
LAYER, MONAI_LAYER = "stage 4", "stages.3.1"
OUTPUT = 0


@cache
def measured() -> dict[str, Any]:
    """Measure a ResNet-18 without attention at 96 x 96 x 96, Grad-CAM of its last stage, once for both rows."""
    try:
        from monai.visualize import GradCAM
    except ImportError as error:
        raise Skipped("MONAI is not installed") from error
    torch.manual_seed(0)
    network = ResNet3d(3, 2, 18, 64, "none").eval()
    image = torch.randn(1, 3, SIDE, SIDE, SIDE)
    grid = Grid((SIDE, SIDE, SIDE), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    asked = Question((network,), image, grid, ("T1c", "FLAIR", "lesion"), OutputReadout(OUTPUT))
    monai = GradCAM(network, MONAI_LAYER)

    def forward() -> None:
        with torch.inference_mode():
            network(image)

    forms = {"forward": forward, "ours": lambda: gradcam(asked, LAYER), "monai": lambda: monai(image, OUTPUT)}
    seconds = alternate(forms, rounds=5, clock=time.process_time)
    ours = gradcam(asked, LAYER).array[::STRIDE, ::STRIDE, ::STRIDE]
    peer = monai.compute_map(image, OUTPUT)[0, 0].detach().numpy()
    scale = float(np.abs(peer).max())
    difference = float(np.abs(ours - peer).max()) / scale
    return {"size": [SIDE] * 3, "layer": LAYER, "cpu_seconds": seconds, "relative_difference": difference}


@benchmark("gradcam_vs_forward", "ours / forward", "<= 1.1")
def gradcam_vs_forward() -> Measured:
    """How many forward passes a map costs."""
    seconds = measured()["cpu_seconds"]
    return Measured(seconds["ours"] / seconds["forward"], "a forward pass of the same network", [measured()])


@benchmark("gradcam_vs_monai", "peer / ours", ">= 2")
def gradcam_vs_monai() -> Measured:
    """MONAI's GradCAM of the same layer and output."""
    seconds = measured()["cpu_seconds"]
    return Measured(seconds["monai"] / seconds["ours"], "MONAI GradCAM of the same layer, same map", [measured()])
