"""Train the network of lesion load; a run may stop at any step and resume, on a CPU with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from LesionLensLib.errors import UserError
from LesionLensLib.networks.vgg3d import Vgg3d
from LesionLensLib.training.checkpoint import TrainingState
from LesionLensLib.training.gear import Gear, Lesson, check_batch
from LesionLensLib.training.lesion_load.examples import LoadBatch, LoadBatches
from LesionLensLib.training.lesion_load.learner import LoadLearner, cell_loss, load_loss
from LesionLensLib.training.lesion_load.recipe import LoadRecipe
from LesionLensLib.training.lesion_load.soil import LoadSoil
from LesionLensLib.training.schedule import warm_cosine
from LesionLensLib.training.team import ALONE, Team
from LesionLensLib.training.training_loop import resume, run_steps

Told = Callable[[int, str], None]


def make_state(recipe: LoadRecipe, device: torch.device) -> TrainingState[LoadLearner]:
    """Return a fresh state with weights from the recipe's seed; raises `UserError` where no such network can be built.

    In the channels-last layout a step takes half the time; it costs the variances of the batch norms three digits
    (5e-4 in a field of 64 x 80 x 64 voxels), far less than one batch differs from the next.
    """
    torch.manual_seed(recipe.seed)
    try:
        learner = LoadLearner(Vgg3d(**recipe.network_options), recipe.cell_blocks)
    except (TypeError, ValueError) as error:
        message = "The recipe describes a vgg3d that cannot be built."
        raise UserError(message, "Correct field, options and cell_blocks.", str(error)) from error
    learner = learner.to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    slow = list(learner.network.hidden.parameters())
    fast = [parameter for parameter in learner.parameters() if not any(parameter is other for other in slow)]
    groups = [{"params": fast, "share": 1.0}, {"params": slow, "share": recipe.head_rate}]
    optimizer = torch.optim.Adam(groups, recipe.learning_rate, weight_decay=recipe.weight_decay)
    return TrainingState.begin(learner, optimizer)


def train_network(
    recipe: LoadRecipe,
    soils: Sequence[LoadSoil],
    folder: Path,
    device: torch.device,
    tell: Told,
    should_stop: Callable[[int], bool] = lambda step: False,
    team: Team = ALONE,
) -> TrainingState[LoadLearner]:
    """Train all steps of the recipe or until `should_stop(step)`; checkpoint and `metrics.csv` go into `folder`.

    Raises `UserError` for a batch that `team` cannot share.
    """
    check_batch(recipe.batch, recipe.accumulate, team)
    state = make_state(recipe, device)
    gear = Gear(state.network, device, recipe.precision, recipe.accumulate, team)
    state.scaler = gear.scaler
    resume(state, folder, team)
    batches = LoadBatches(soils, recipe, team)

    def do_step() -> float:
        return train_step(state, recipe, batches.batch(state.step), device, gear)

    return run_steps(state, recipe.steps, folder, do_step, tell, should_stop, team)


def train_step(
    state: TrainingState[LoadLearner],
    recipe: LoadRecipe,
    batch: LoadBatch,
    device: torch.device,
    gear: Gear | None = None,
) -> float:
    """Do one optimiser step on this process's rows and return the loss of the loads alone, which the network is for.

    `gear` says how the step is done; without one it is done at once and in this process.
    """
    gear = gear or Gear(state.network, device, recipe.precision)
    state.network.train()
    for group in state.optimizer.param_groups:
        group["lr"] = group["share"] * warm_cosine(
            recipe.learning_rate, state.step, recipe.warm_up_steps, recipe.steps
        )
    images, loads, shares = (part.to(device) for part in batch)
    found: list[Tensor] = []

    def ask(network: nn.Module, inputs: Tensor) -> tuple[Tensor, ...]:
        said, cells = network(inputs.contiguous(memory_format=torch.channels_last_3d))
        return (said, *cells)

    def loss(outputs: tuple[Tensor, ...], targets: tuple[Tensor, ...]) -> Tensor:
        (said, *cells), (loads, shares) = outputs, targets
        total = load_loss(said.float(), loads, state.network.network.unit)
        found.append(total.detach())
        for each in cells:
            total = total + recipe.cell_weight * cell_loss(each.float(), shares)
        return total

    gear.step(state.optimizer, Lesson(images, (loads, shares), ask, loss), recipe.clip_norm)
    state.count_step(recipe.averaging)
    return found[0].item()
