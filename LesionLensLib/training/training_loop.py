"""The loop around the steps of any training: resume, step, log, checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from LesionLensLib.training.checkpoint import (
    CHECKPOINT_FILE,
    NetworkT,
    TrainingState,
    load_checkpoint,
    save_checkpoint,
)
from LesionLensLib.training.training_log import append_log, cut_log

CHECKPOINT_EVERY = 100
LOG_EVERY = 20


def resume(state: TrainingState[NetworkT], folder: Path) -> None:
    """Make `folder`, or continue from the checkpoint in it."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / CHECKPOINT_FILE).exists():
        load_checkpoint(state, folder)
        cut_log(folder, state.step)


def run_steps(
    state: TrainingState[NetworkT],
    steps: int,
    folder: Path,
    do_step: Callable[[], float],
    tell: Callable[[int, str], None],
    should_stop: Callable[[int], bool] = lambda step: False,
) -> TrainingState[NetworkT]:
    """Call `do_step`, which returns its loss and counts it in `state`, up to `steps` or until `should_stop(step)`.

    Checkpoints and `metrics.csv` go into `folder`; `tell(step, text)` hears every `LOG_EVERY` steps how it goes.
    """
    started, recent = time.monotonic(), []
    while state.step < steps and not should_stop(state.step):
        recent.append(do_step())
        if state.step % LOG_EVERY == 0 or state.step == steps:
            mean = sum(recent) / len(recent)
            append_log(folder, state.step, mean, state.optimizer.param_groups[0]["lr"], time.monotonic() - started)
            tell(state.step, f"step {state.step} of {steps}: loss {mean:.4f}")
            recent = []
        if state.step % CHECKPOINT_EVERY == 0:
            save_checkpoint(state, folder)
    save_checkpoint(state, folder)
    return state
