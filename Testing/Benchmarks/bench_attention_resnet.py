"""ResNet-18 with self-attention at 96 x 96 x 96 against the same network with its attention as textbooks write it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from LesionLensLib.inference.folded_resnet3d import fold
from LesionLensLib.inference.memory import available_memory
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.networks.self_attention import SelfAttention
from Testing.Benchmarks.harness import Measured, Skipped, alternate, benchmark, peak_mb

SIDE = 96
VOXELS = (SIDE // 4) ** 3
TEXTBOOK, PLAIN, SHIPPED = "textbook", "module, plain", "module, folded"
PEER = "the same weights with attention as product, softmax, product, its map stored; both float32, one core"


class TextbookAttention(nn.Module):
    """The attention of `block` with the voxels x voxels map written out."""

    def __init__(self, block: SelfAttention) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        block, tokens = self.block, x.flatten(2).transpose(1, 2)
        weights = torch.bmm(block.key(tokens), block.query(tokens).transpose(1, 2)).softmax(2)
        attended = block.output(torch.bmm(weights, block.value(tokens)))
        return x + block.gain * attended.transpose(1, 2).reshape(x.shape)


def make_form(form: str) -> Callable[[], Tensor]:
    """Return one form of the network on random images, ready to be called, on one thread."""
    torch.manual_seed(0)
    network, x = ResNet3d().eval(), torch.randn(1, 3, SIDE, SIDE, SIDE)
    for block in network.blocks():
        nn.init.constant_(block.attention.gain, 0.3)
    if form == TEXTBOOK:
        for block in network.blocks():
            block.attention = TextbookAttention(block.attention)
    if form == SHIPPED:
        network, x = fold(network), x.contiguous(memory_format=torch.channels_last_3d)

    def run() -> Tensor:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                return network(x).softmax(1)
        finally:
            torch.set_num_threads(threads)

    return run


@cache
def measured() -> dict[str, Any]:
    """Measure seconds of every form and memory of two once, and how far the answers are apart.

    The folded form has no memory figure: folding leaves freed memory behind, in which its pass then finds room.
    """
    free, needed = available_memory(), 2.5 * 4 * VOXELS**2
    if free is not None and free < needed:
        raise Skipped(f"the stored map needs {needed / 1e9:.0f} GB of free memory")
    runs = {form: make_form(form) for form in (TEXTBOOK, PLAIN, SHIPPED)}
    answers = {form: run() for form, run in runs.items()}
    return {
        "size": [SIDE] * 3,
        "cpu_seconds": alternate(runs, rounds=2, clock=time.process_time),
        "peak_mb": {form: peak_mb("bench_attention_resnet", "make_form", form=form) for form in (TEXTBOOK, PLAIN)},
        "largest_difference": max((answer - answers[TEXTBOOK]).abs().max().item() for answer in answers.values()),
    }


@benchmark("attention_resnet_vs_textbook", "peer / ours", ">= 1.5")
def attention_resnet_vs_textbook() -> Measured:
    """Seconds of one forward pass."""
    seconds = measured()["cpu_seconds"]
    return Measured(seconds[TEXTBOOK] / seconds[SHIPPED], PEER, [measured()])


@benchmark("attention_resnet_vs_textbook_memory", "peer / ours", ">= 5")
def attention_resnet_vs_textbook_memory() -> Measured:
    """Peak memory of one forward pass."""
    peaks = measured()["peak_mb"]
    return Measured(peaks[TEXTBOOK] / peaks[PLAIN], PEER, [measured()])
