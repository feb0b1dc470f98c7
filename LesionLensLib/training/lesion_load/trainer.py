"""Train the network of lesion load; a run may stop at any step and resume, on a CPU with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from LesionLensLib.errors import UserError
from LesionLensLib.networks.vgg3d import Vgg3d
from LesionLensLib.training.checkpoint import TrainingState
from LesionLensLib.training.lesion_load.examples import LoadBatch, LoadBatches
from LesionLensLib.training.lesion_load.recipe import LoadRecipe
from LesionLensLib.training.lesion_load.soil import LoadSoil
from LesionLensLib.training.schedule import warm_cosine
from LesionLensLib.training.training_loop import resume, run_steps


def make_state(recipe: LoadRecipe, device: torch.device) -> TrainingState[Vgg3d]:
    """Return a fresh state with weights from the recipe's seed; raises `UserError` where no such network can be built.

    In the channels-last layout a step takes half the time; it costs the variances of the batch norms three digits
    (5e-4 in a field of 64 x 80 x 64 voxels), far less than one batch differs from the next.
    """
    torch.manual_seed(recipe.seed)
    try:
        network = Vgg3d(**recipe.network_options)
    except (TypeError, ValueError) as error:
        message = "The recipe describes a vgg3d that cannot be built."
        raise UserError(message, "Correct field and options.", str(error)) from error
    network = network.to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    return TrainingState.begin(network, optimizer)


def train_network(
    recipe: LoadRecipe,
    soils: Sequence[LoadSoil],
    folder: Path,
    device: torch.device,
    tell: Callable[[int, str], None],
    should_stop: Callable[[int], bool] = lambda step: False,
) -> TrainingState[Vgg3d]:
    """Train all steps of the recipe or until `should_stop(step)`; checkpoint and `metrics.csv` go into `folder`."""
    state = make_state(recipe, device)
    resume(state, folder)
    batches = LoadBatches(soils, recipe)

    def do_step() -> float:
        return train_step(state, recipe, batches.batch(state.step), device)

    return run_steps(state, recipe.steps, folder, do_step, tell, should_stop)


def train_step(state: TrainingState[Vgg3d], recipe: LoadRecipe, batch: LoadBatch, device: torch.device) -> float:
    """Do one optimiser step and return its loss."""
    state.network.train()
    for group in state.optimizer.param_groups:
        group["lr"] = warm_cosine(recipe.learning_rate, state.step, recipe.warm_up_steps, recipe.steps)
    images = batch.images.to(device).contiguous(memory_format=torch.channels_last_3d)
    loss = load_loss(state.network(images), batch.loads.to(device), state.network.unit)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(state.network.parameters(), recipe.clip_norm)
    state.optimizer.step()
    state.count_step(recipe.averaging)
    return loss.item()


def load_loss(said: Tensor, loads: Tensor, unit: float) -> Tensor:
    """Return the mean squared error of loads (N, 3), counted in the network's `unit` of ml."""
    return ((said - loads) / unit).square().mean()
