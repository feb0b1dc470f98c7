"""Train one outcome network; a run may stop at any step and resume, in fp32 on a CPU with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from LesionLensLib.errors import UserError
from LesionLensLib.networks.chmfl_losses import chmfl_loss
from LesionLensLib.networks.chmfl_variants import build_chmfl
from LesionLensLib.networks.losses import soft_dice_loss
from LesionLensLib.training.checkpoint import TrainingState
from LesionLensLib.training.sarcoma.batches import OutcomeBatch, OutcomeBatches
from LesionLensLib.training.sarcoma.cases import OutcomeCase
from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe
from LesionLensLib.training.schedule import warm_cosine
from LesionLensLib.training.training_loop import resume, run_steps

# Every step seeds dropout anew, and the seeds of two runs must not meet.
_STEPS_OF_A_SEED = 1_000_003
WORTH_A_WORKER = 20_000
"""Voxels of a field of view from which on a process of its own makes the batches."""


def make_network(recipe: OutcomeRecipe) -> nn.Module:
    """Return the untrained network of the recipe, drawn from its seed; raises `UserError` where it cannot be built."""
    torch.manual_seed(recipe.seed)
    try:
        return build_chmfl(recipe.network, **recipe.options)
    except (TypeError, ValueError) as error:
        message = f"The recipe describes a {recipe.network} that cannot be built."
        raise UserError(message, "Correct network and options.", str(error)) from error


def make_state(recipe: OutcomeRecipe, device: torch.device) -> TrainingState[nn.Module]:
    """Return a fresh state with weights initialised from the recipe's seed.

    The layout stays contiguous: in channels-last the statistics of batch normalisation lose digits on a CPU.
    """
    network = make_network(recipe).to(device)
    optimizer = torch.optim.Adam(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    return TrainingState.begin(network, optimizer)


def learning_rate(recipe: OutcomeRecipe, step: int) -> float:
    """Return the rate at `step`: after the warm-up constant, or a cosine in each of the two stages."""
    learned = recipe.pretrain_steps if step >= recipe.pretrain_steps else 0
    steps = recipe.steps - learned if learned else recipe.pretrain_steps or recipe.steps
    if recipe.schedule == "cosine":
        return warm_cosine(recipe.learning_rate, step - learned, recipe.warm_up_steps, steps)
    return recipe.learning_rate * min(1.0, (step + 1) / max(recipe.warm_up_steps, 1))


def train_network(
    recipe: OutcomeRecipe,
    cases: Sequence[OutcomeCase],
    folder: Path,
    device: torch.device,
    tell: Callable[[int, str], None],
    should_stop: Callable[[int], bool] = lambda step: False,
) -> TrainingState[nn.Module]:
    """Train all steps of the recipe on `cases` or until `should_stop(step)`; checkpoint and log go into `folder`."""
    state = make_state(recipe, device)
    resume(state, folder)
    batches = _batches(cases, recipe, state.step)

    def do_step() -> float:
        return train_step(state, recipe, next(batches), device)

    return run_steps(state, recipe.steps, folder, do_step, tell, should_stop)


def train_step(
    state: TrainingState[nn.Module], recipe: OutcomeRecipe, batch: OutcomeBatch, device: torch.device
) -> float:
    """Do one optimiser step and return its loss."""
    torch.manual_seed(recipe.seed * _STEPS_OF_A_SEED + state.step)
    state.network.train()
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(recipe, state.step)
    loss = batch_loss(state.network, recipe, batch, recipe.weight_at(state.step), device)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if recipe.clip_norm:
        nn.utils.clip_grad_norm_(state.network.parameters(), recipe.clip_norm)
    state.optimizer.step()
    state.count_step(recipe.averaging)
    return loss.item()


def batch_loss(
    network: nn.Module, recipe: OutcomeRecipe, batch: OutcomeBatch, w: float, device: torch.device
) -> Tensor:
    """Return (1 - w) outcome loss + w voxel loss, the latter with the recipe's share of soft Dice loss added."""
    images, outcome, mask = (part.to(device) for part in batch)
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
        output = network(images)
    loss = chmfl_loss(output, outcome, mask, w, recipe.reduction).total
    if w > 0 and recipe.dice_weight:
        loss = loss + w * recipe.dice_weight * soft_dice_loss(output.mask, mask)
    return loss


def _batches(cases: Sequence[OutcomeCase], recipe: OutcomeRecipe, first: int) -> Iterator[OutcomeBatch]:
    stream = OutcomeBatches(cases, recipe, first)
    if prod(recipe.field_of_view.shape) < WORTH_A_WORKER:
        return iter(stream)
    # One worker process: batches are numbered, and several workers would repeat each other's numbers.
    return iter(DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=4))
