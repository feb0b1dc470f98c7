"""What `torchrun` starts in the tests of training teams: tiny trainings of every kind through the real trainers.

`python team_worker.py FOLDER KIND...` leaves `FOLDER/KIND.safetensors`, the averaged weights, and the run beside it.
With KILL_RANK and KILL_STEP that process of the team kills itself before that step.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE), str(HERE / "torch")]

from LesionLensLib.training import training_loop  # noqa: E402
from LesionLensLib.training.join import join_team  # noqa: E402
from LesionLensLib.training.team import Team  # noqa: E402

CPU = torch.device("cpu")
CHECKPOINT_EVERY = 2


def quiet(step: int, text: str) -> None:
    return None


def killed(team: Team) -> Callable[[int], bool]:
    """Return what asks before every step whether to stop: never, but one process may not survive the question."""
    rank, at = (int(os.environ.get(name, "-1")) for name in ("KILL_RANK", "KILL_STEP"))

    def question(step: int) -> bool:
        if (team.rank, step) == (rank, at):
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    return question


def rsanet(folder: Path, team: Team) -> dict[str, Tensor]:
    from test_training import RECIPE, pool

    from LesionLensLib.training.trainer import train

    recipe = replace(RECIPE, crops_per_volume=2, volumes_per_step=2, accumulate=2, steps=2, dropout=0.2,
                     warm_up_steps=0, learning_rate=1e-3)  # fmt: skip
    if team.size == 1:
        recipe = replace(recipe, accumulate=4)
    return train(recipe, pool(), folder, CPU, quiet, team=team).average


def load(folder: Path, team: Team) -> dict[str, Tensor]:
    from load_cases import RECIPE, soil

    from LesionLensLib.training.lesion_load.trainer import train_network

    soils = [soil(), soil(1, patient="p2")]
    return train_network(replace(RECIPE, batch=4, steps=8), soils, folder, CPU, quiet, killed(team), team).average


def sarcoma(folder: Path, team: Team) -> dict[str, Tensor]:
    from sarcoma_cases import write_patients
    from test_outcome_training import RECIPE

    from LesionLensLib.training.sarcoma.cases import read_case
    from LesionLensLib.training.sarcoma.trainer import train_network

    rows = write_patients(folder.parent / f"patients-{os.getpid()}", 8)
    cases = [read_case(row, RECIPE.roles, RECIPE.field_of_view, 4) for row in rows]
    recipe = replace(RECIPE, batch=4, learning_rate=1e-3)
    return train_network(recipe, cases, folder, CPU, quiet, killed(team), team).average


def brain(folder: Path, team: Team) -> dict[str, Tensor]:
    from brain_lesion_cases import write_patients
    from test_local_failure_training import RECIPE

    from LesionLensLib.training.local_failure.kind import LocalFailureKind
    from LesionLensLib.training.local_failure.trainer import train_network

    rows = write_patients(folder.parent / f"brains-{os.getpid()}", 10)
    cases = list(LocalFailureKind().read_cases(RECIPE, rows).values())
    options = {**RECIPE.options, "recipe": "standard"}
    recipe = replace(RECIPE, batch=4, options=options, epochs=1)
    return train_network(recipe, cases, folder, CPU, quiet, team=team).average


KINDS = {"rsanet": rsanet, "load": load, "sarcoma": sarcoma, "brain": brain}


def train_kinds(folder: Path, kinds: list[str], team: Team) -> None:
    """Train every kind into `folder`."""
    for kind in kinds:
        weights = KINDS[kind](folder / kind, team)
        if team.is_first:
            save_file({name: value.contiguous() for name, value in weights.items()}, folder / f"{kind}.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    training_loop.CHECKPOINT_EVERY = CHECKPOINT_EVERY
    with join_team("cpu") as (joined, _):
        train_kinds(Path(sys.argv[1]), sys.argv[2:], joined)
