"""Train the network of lesion load; a run may stop at any step and resume, on a CPU with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from LesionLensLib.errors import UserError
from LesionLensLib.networks.vgg3d import Vgg3d
from LesionLensLib.training.checkpoint import TrainingState
from LesionLensLib.training.lesion_load.examples import LoadBatch, LoadBatches
from LesionLensLib.training.lesion_load.learner import LoadLearner, cell_loss, load_loss
from LesionLensLib.training.lesion_load.recipe import LoadRecipe
from LesionLensLib.training.lesion_load.soil import LoadSoil
from LesionLensLib.training.schedule import warm_cosine
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
) -> TrainingState[LoadLearner]:
    """Train all steps of the recipe or until `should_stop(step)`; checkpoint and `metrics.csv` go into `folder`."""
    state = make_state(recipe, device)
    resume(state, folder)
    batches = LoadBatches(soils, recipe)

    def do_step() -> float:
        return train_step(state, recipe, batches.batch(state.step), device)

    return run_steps(state, recipe.steps, folder, do_step, tell, should_stop)


def train_step(state: TrainingState[LoadLearner], recipe: LoadRecipe, batch: LoadBatch, device: torch.device) -> float:
    """Do one optimiser step and return the loss of the loads alone, the one that the network is for."""
    state.network.train()
    for group in state.optimizer.param_groups:
        group["lr"] = group["share"] * warm_cosine(
            recipe.learning_rate, state.step, recipe.warm_up_steps, recipe.steps
        )
    images, loads, shares = (part.to(device) for part in batch)
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
        said, cells = state.network(images.contiguous(memory_format=torch.channels_last_3d))
    loss = load_loss(said.float(), loads, state.network.network.unit)
    total = loss
    for each in cells:
        total = total + recipe.cell_weight * cell_loss(each.float(), shares)
    state.optimizer.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(state.network.parameters(), recipe.clip_norm)
    state.optimizer.step()
    state.count_step(recipe.averaging)
    return loss.item()
