"""All networks of an outcome model on one lesion, down the memory ladder: on the device, else on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from LesionLensLib.inference.cpu import PLAIN
from LesionLensLib.inference.device import DeviceChoice
from LesionLensLib.inference.ladder import Rung, Tell, descend
from LesionLensLib.inference.memory import MEBIBYTE
from LesionLensLib.inference.outcome_network import OutcomeNetworks
from LesionLensLib.inference.outcome_pass import OutcomeAnswer, ask_networks, views_at_once

# Measured for CHMFL: 47 to 65 bytes for each voxel and channel of the first level, by the kind of fusion.
_BYTES_PER_VOXEL_AND_CHANNEL = 72


@dataclass(frozen=True, eq=False)
class EnsembleAnswer:
    """What the final networks say, the logit of each fold's networks, and features `(K, p)` of the folds."""

    final: OutcomeAnswer
    fold_logits: tuple[float, ...]
    features: NDArray[np.float64] | None


def ask_with_ladder(
    networks: OutcomeNetworks, values: NDArray[np.float32], choice: DeviceChoice, tell: Tell, lean: bool = False
) -> tuple[EnsembleAnswer, tuple[str, ...]]:
    """Return what the networks say about `values` (C, D, H, W), and the steps of the ladder in words.

    On a CPU a view is computed on each core; where that is too much memory, or `lean`, one view at a time. Raises
    `EnvironmentFault` where memory is too small everywhere.
    """
    x = torch.from_numpy(values)[None]

    def climb(rung: Rung) -> EnsembleAnswer:
        return _ask(networks, x, rung, lambda fraction: tell(fraction, rung.name))

    rungs = _rungs(networks.final[0], values.shape, choice, lean)
    return descend(rungs, climb, lambda rung: "plain float32", values.shape[1:], tell)


def _rungs(network: nn.Module, shape: Sequence[int], choice: DeviceChoice, lean: bool) -> list[Rung]:
    widths = (module.out_channels for module in network.modules() if isinstance(module, nn.Conv3d))
    view = int(np.prod(shape[1:])) * _BYTES_PER_VOXEL_AND_CHANNEL * next(widths, 16) + 64 * MEBIBYTE
    on_cpu = choice.device == "cpu"
    cpu, where = (choice, "") if on_cpu else (replace(choice, device="cpu", fast=PLAIN), " on the CPU")
    single = Rung(f"whole field of view{where}, one view at a time", cpu, view, lean=True)
    together = Rung(f"whole field of view{where}", cpu, views_at_once() * view)
    rungs = [single] if lean else [together, single]
    if not on_cpu:
        rungs.insert(0, Rung(f"whole field of view on {choice.device}", choice, view))
    return rungs


def _ask(networks: OutcomeNetworks, x: Tensor, rung: Rung, tell: Callable[[float], None]) -> EnsembleAnswer:
    x, at_once = x.to(rung.choice.device), 1 if rung.lean else views_at_once()
    groups = (networks.final, *networks.folds)
    for network in (network for group in groups for network in group):
        network.to(rung.choice.device)
    final = ask_networks(networks.final, x, networks.views, at_once=at_once)
    folds = []
    for number, fold in enumerate(networks.folds, start=1):
        tell(number / len(groups))
        folds.append(ask_networks(fold, x, networks.views, outline=False, at_once=at_once))
    features = [answer.features[:1] for answer in folds if answer.features is not None]
    known = np.concatenate(features) if features and len(features) == len(folds) else None
    return EnsembleAnswer(final, tuple(answer.logit for answer in folds), known)
