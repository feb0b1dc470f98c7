"""Train one outcome network; a run may stop at any step and resume, in fp32 on a CPU with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from LesionLensLib.errors import UserError
from LesionLensLib.networks.chmfl import ChmflOutput
from LesionLensLib.networks.chmfl_losses import chmfl_loss
from LesionLensLib.networks.chmfl_variants import build_chmfl
from LesionLensLib.networks.losses import soft_dice_loss
from LesionLensLib.training.checkpoint import TrainingState
from LesionLensLib.training.gear import STEPS_OF_A_SEED, Gear, Lesson, check_batch
from LesionLensLib.training.sarcoma.batches import OutcomeBatch, OutcomeBatches
from LesionLensLib.training.sarcoma.cases import OutcomeCase
from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe
from LesionLensLib.training.schedule import warm_cosine
from LesionLensLib.training.team import ALONE, Team
from LesionLensLib.training.training_loop import resume, run_steps

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
    team: Team = ALONE,
) -> TrainingState[nn.Module]:
    """Train all steps of the recipe on `cases` or until `should_stop(step)`; checkpoint and log go into `folder`.

    Raises `UserError` for a batch that `team` cannot share.
    """
    check_batch(recipe.batch, recipe.accumulate, team)
    state = make_state(recipe, device)
    unused = len({recipe.weight_at(step) for step in (0, recipe.steps - 1)} & {0.0, 1.0}) > 0
    gear = Gear(state.network, device, recipe.precision, recipe.accumulate, team, unused)
    state.scaler = gear.scaler
    resume(state, folder, team)
    batches = _batches(cases, recipe, state.step, team)

    def do_step() -> float:
        return train_step(state, recipe, next(batches), device, gear)

    return run_steps(state, recipe.steps, folder, do_step, tell, should_stop, team)


def train_step(
    state: TrainingState[nn.Module],
    recipe: OutcomeRecipe,
    batch: OutcomeBatch,
    device: torch.device,
    gear: Gear | None = None,
) -> float:
    """Do one optimiser step on this process's rows of a batch and return the loss of the batch.

    `gear` says how; without one it is done at once and in this process.
    """
    gear = gear or Gear(state.network, device, recipe.precision)
    state.network.train()
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(recipe, state.step)
    seed = recipe.seed * STEPS_OF_A_SEED + state.step
    lesson = make_lesson(recipe, batch, recipe.weight_at(state.step), device, seed)
    said = gear.step(state.optimizer, lesson, recipe.clip_norm)
    state.count_step(recipe.averaging)
    return said


def make_lesson(
    recipe: OutcomeRecipe, batch: OutcomeBatch, w: float, device: torch.device, seed: int | None = None
) -> Lesson:
    """Return what a step learns: (1 - w) outcome loss + w voxel loss, with the recipe's share of soft Dice loss added.

    An output without weight is not asked for.
    """
    images, outcome, mask = (part.to(device) for part in batch)
    pools = w > 0 and recipe.dice_weight > 0

    def ask(network: nn.Module, inputs: Tensor) -> tuple[Tensor, ...]:
        said = network(inputs)
        return (*([said.outcome] if w < 1 else []), *([said.mask] if w > 0 else []))

    def loss(outputs: tuple[Tensor, ...], targets: tuple[Tensor, ...]) -> Tensor:
        # Of one output alone, the other is not looked at.
        said, (known, tumour) = ChmflOutput(outputs[0], outputs[-1]), targets
        total = chmfl_loss(said, known, tumour, w, recipe.reduction).total
        return total + w * recipe.dice_weight * soft_dice_loss(outputs[-1], tumour) if pools else total

    return Lesson(images, (outcome, mask), ask, loss, by_row=not pools, seed=seed)


def batch_loss(
    network: nn.Module, recipe: OutcomeRecipe, batch: OutcomeBatch, w: float, device: torch.device
) -> Tensor:
    """Return the loss of a batch in fp32, with its gradient."""
    lesson = make_lesson(recipe, batch, w, device)
    return lesson.loss(lesson.ask(network, lesson.inputs), lesson.targets)


def _batches(
    cases: Sequence[OutcomeCase], recipe: OutcomeRecipe, first: int, team: Team
) -> Iterator[OutcomeBatch]:
    stream = OutcomeBatches(cases, recipe, first, team)
    if prod(recipe.field_of_view.shape) < WORTH_A_WORKER:
        return iter(stream)
    # One worker process: batches are numbered, and several workers would repeat each other's numbers.
    return iter(DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=4))
