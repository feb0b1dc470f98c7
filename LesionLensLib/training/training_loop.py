"""The loop around the steps of any training: resume, step, log, checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from LesionLensLib.report import peak_memory_mb
from LesionLensLib.training.checkpoint import (
    CHECKPOINT_FILE,
    NetworkT,
    TrainingState,
    go_on_at_random,
    load_checkpoint,
    save_checkpoint,
)
from LesionLensLib.training.team import ALONE, Team
from LesionLensLib.training.training_log import LogRow, append_log, cut_log

CHECKPOINT_EVERY = 100
LOG_EVERY = 20


def resume(state: TrainingState[NetworkT], folder: Path, team: Team = ALONE) -> None:
    """Make `folder`, or continue from the checkpoint in it, every process of `team` alike."""
    if team.decide(lambda: (folder / CHECKPOINT_FILE).exists()):
        load_checkpoint(state, folder)
    if team.is_first:
        folder.mkdir(parents=True, exist_ok=True)
        cut_log(folder, state.step)
    team.wait()


def run_steps(
    state: TrainingState[NetworkT],
    steps: int,
    folder: Path,
    do_step: Callable[[], float],
    tell: Callable[[int, str], None],
    should_stop: Callable[[int], bool] = lambda step: False,
    team: Team = ALONE,
) -> TrainingState[NetworkT]:
    """Call `do_step`, which returns its loss and counts it in `state`, up to `steps` or until `should_stop(step)`.

    Checkpoints and `metrics.csv` go into `folder`, written by the first of `team`; `tell(step, text)` hears every
    `LOG_EVERY` steps how it goes.
    """
    # Not in `resume`: a loader of batches, made since then, has drawn a number of its own.
    go_on_at_random(state)
    started = since = time.monotonic()
    recent: list[float] = []
    while state.step < steps and not should_stop(state.step):
        recent.append(do_step())
        if state.step % LOG_EVERY == 0 or state.step == steps:
            now, mean = time.monotonic(), sum(recent) / len(recent)
            memory = _most(team.everyone(_memory_mb(state)))
            if team.is_first:
                rate, pace = state.optimizer.param_groups[0]["lr"], (now - since) / len(recent)
                append_log(folder, LogRow(state.step, mean, rate, now - started, pace, memory))
            tell(state.step, f"step {state.step} of {steps}: loss {mean:.4f}")
            recent, since = [], now
        if state.step % CHECKPOINT_EVERY == 0 and team.is_first:
            save_checkpoint(state, folder)
    if team.is_first:
        save_checkpoint(state, folder)
    team.wait()
    return state


def _memory_mb(state: TrainingState[NetworkT]) -> float | None:
    device = next(state.network.parameters()).device
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else peak_memory_mb()


def _most(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None
