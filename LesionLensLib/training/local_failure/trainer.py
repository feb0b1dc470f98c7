"""Train one attention ResNet; a run may stop at any step and resume, in fp32 on a CPU with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from LesionLensLib.errors import UserError
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.training.big_transfer import make_optimizer
from LesionLensLib.training.checkpoint import TrainingState
from LesionLensLib.training.local_failure.batches import LesionBatch, LesionBatches
from LesionLensLib.training.local_failure.cases import LesionCase
from LesionLensLib.training.local_failure.recipe import LocalFailureRecipe
from LesionLensLib.training.mixup import MixUp
from LesionLensLib.training.training_loop import resume, run_steps
from LesionLensLib.training.transfer import transfer_weights


def make_network(recipe: LocalFailureRecipe) -> ResNet3d:
    """Return the untrained network of the recipe, drawn from its seed; raises `UserError` where it cannot be built."""
    torch.manual_seed(recipe.seed)
    try:
        return ResNet3d(**recipe.network_options)
    except (TypeError, ValueError) as error:
        message = f"The recipe describes a {recipe.network} that cannot be built: {error}."
        raise UserError(message, "Correct its options.", repr(error)) from error


def make_state(recipe: LocalFailureRecipe, device: torch.device) -> TrainingState[ResNet3d]:
    """Return a fresh state: weights from the recipe's seed, or from its checkpoint with a head of zero."""
    network = make_network(recipe)
    if recipe.checkpoint:
        transfer_weights(network, Path(recipe.checkpoint))
    network = network.to(device)
    optimizer: torch.optim.Optimizer = make_optimizer(network, recipe.learning_rate)
    if recipe.optimizer == "adam":
        optimizer = torch.optim.Adam(network.parameters(), recipe.learning_rate)
    return TrainingState.begin(network, optimizer)


def train_network(
    recipe: LocalFailureRecipe,
    cases: Sequence[LesionCase],
    folder: Path,
    device: torch.device,
    tell: Callable[[int, str], None],
    should_stop: Callable[[int], bool] = lambda step: False,
) -> TrainingState[ResNet3d]:
    """Train all epochs of the recipe on `cases` or until `should_stop(step)`; checkpoint and log go into `folder`."""
    state = make_state(recipe, device)
    resume(state, folder)
    batches, schedule = LesionBatches(cases, recipe), recipe.schedule_for(len(cases))

    def do_step() -> float:
        rate = schedule.rate(state.step)
        return train_step(state, recipe, batches.batch(state.step), rate or 0.0, device)

    return run_steps(state, schedule.end_step, folder, do_step, tell, should_stop)


def train_step(
    state: TrainingState[ResNet3d], recipe: LocalFailureRecipe, batch: LesionBatch, rate: float, device: torch.device
) -> float:
    """Do one optimiser step at the learning rate `rate` and return its loss: cross-entropy, of mixed examples too."""
    state.network.train()
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    mixed = MixUp(recipe.mixup_alpha, recipe.seed).mix(batch.images.to(device), batch.outcomes.to(device), state.step)
    loss = mixed.cross_entropy(state.network(mixed.images))
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if recipe.clip_norm:
        nn.utils.clip_grad_norm_(state.network.parameters(), recipe.clip_norm)
    state.optimizer.step()
    state.count_step(recipe.averaging)
    return loss.item()
