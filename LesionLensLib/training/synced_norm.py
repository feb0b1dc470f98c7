"""Batch normalisation whose statistics are those of the rows of all processes.

Ioffe and Szegedy, ICML 2015. With one or two volumes to a process, statistics of its own rows alone would be another
and worse training. torch's `SyncBatchNorm` does it on CUDA devices; what follows does it on a CPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from LesionLensLib.training.team import Team


class _SumOverAll(torch.autograd.Function):
    """The sum over all processes; so is its gradient, since every one of them uses the sum."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


class CpuSyncedNorm(nn.Module):
    """Takes the place of `norm`, an `nn.BatchNorm3d` or `nn.BatchNorm2d`, with the names of its parameters."""

    def __init__(self, norm: nn.BatchNorm3d | nn.BatchNorm2d, team: Team) -> None:
        super().__init__()
        if norm.running_mean is None or norm.running_var is None or norm.momentum is None:
            raise ValueError("only a batch normalisation with running statistics and momentum is synchronised")
        self.weight, self.bias = norm.weight, norm.bias
        self.register_buffer("running_mean", norm.running_mean)
        self.register_buffer("running_var", norm.running_var)
        self.register_buffer("num_batches_tracked", norm.num_batches_tracked)
        self.running_mean: Tensor
        self.running_var: Tensor
        self.num_batches_tracked: Tensor
        self.eps, self.momentum, self.team = norm.eps, norm.momentum, team

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (n, C, ...) normalised per channel over the rows of all processes, of which all have as many."""
        if not self.training:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        values, axes = x.float(), [0, *range(2, x.ndim)]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        count = x.numel() // x.shape[1] * self.team.size
        mean = _sum_over_all(values.sum(axes)) / count
        centred = values - mean.view(shape)
        variance = _sum_over_all(centred.square().sum(axes)) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)


def _sum_over_all(value: Tensor) -> Tensor:
    total: Tensor = _SumOverAll.apply(value)  # type: ignore[no-untyped-call]
    return total


def synchronise_norms(network: nn.Module, team: Team, device: torch.device) -> None:
    """Let every batch normalisation in `network` take its statistics over all processes of `team`."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, nn.BatchNorm3d | nn.BatchNorm2d):
                continue
            if device.type == "cuda":
                synced = nn.SyncBatchNorm.convert_sync_batchnorm(child)  # type: ignore[no-untyped-call]
            else:
                synced = CpuSyncedNorm(child, team)
            setattr(parent, name, synced.train(child.training))
