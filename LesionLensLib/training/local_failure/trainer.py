"""Train one attention ResNet; a run may stop at any step and resume, in fp32 on a CPU with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from LesionLensLib.errors import UserError
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.training.big_transfer import make_optimizer
from LesionLensLib.training.checkpoint import TrainingState
from LesionLensLib.training.gear import Gear, Lesson, check_batch
from LesionLensLib.training.local_failure.batches import LesionBatches
from LesionLensLib.training.local_failure.cases import LesionCase
from LesionLensLib.training.local_failure.recipe import LocalFailureRecipe
from LesionLensLib.training.mixup import MixedBatch, MixUp
from LesionLensLib.training.team import ALONE, Team
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
    team: Team = ALONE,
) -> TrainingState[ResNet3d]:
    """Train all epochs of the recipe on `cases` or until `should_stop(step)`; checkpoint and log go into `folder`.

    Raises `UserError` for a batch that `team` cannot share.
    """
    check_batch(recipe.batch, recipe.accumulate, team)
    state = make_state(recipe, device)
    gear = Gear(state.network, device, recipe.precision, recipe.accumulate, team)
    state.scaler = gear.scaler
    resume(state, folder, team)
    batches, schedule = LesionBatches(cases, recipe), recipe.schedule_for(len(cases))

    def do_step() -> float:
        batch = mixed_batch(batches, recipe, state.step, team.rows(recipe.batch))
        return train_step(state, recipe, batch, schedule.rate(state.step) or 0.0, device, gear)

    return run_steps(state, schedule.end_step, folder, do_step, tell, should_stop, team)


def mixed_batch(batches: LesionBatches, recipe: LocalFailureRecipe, step: int, rows: range) -> MixedBatch:
    """Return `rows` of the batch of `step`, mixed with rows of the whole batch where the recipe mixes."""
    mixup = MixUp(recipe.mixup_alpha, recipe.seed)
    if len(rows) == recipe.batch:
        return mixup.mix(*batches.batch(step), step)
    partners = mixup.partners(step, recipe.batch)[rows.start : rows.stop]
    images, outcomes = batches.batch(step, [*rows, *partners])
    mine, own = images[: len(rows)], outcomes[: len(rows)]
    if not partners:
        return MixedBatch(mine, own, own, 1.0)
    return mixup.mix_with(mine, own, images[len(rows) :], outcomes[len(rows) :], step)


def train_step(
    state: TrainingState[ResNet3d],
    recipe: LocalFailureRecipe,
    batch: MixedBatch,
    rate: float,
    device: torch.device,
    gear: Gear | None = None,
) -> float:
    """Do one optimiser step at the learning rate `rate` and return its loss: cross-entropy, of mixed examples too.

    `batch` holds this process's rows. `gear` says how the step is done; without one at once and in this process.
    """
    gear = gear or Gear(state.network, device, recipe.precision)
    state.network.train()
    for group in state.optimizer.param_groups:
        group["lr"] = rate

    def ask(network: nn.Module, inputs: Tensor) -> tuple[Tensor]:
        return (network(inputs),)

    def loss(outputs: tuple[Tensor, ...], targets: tuple[Tensor, ...]) -> Tensor:
        (logits,), (own, other) = outputs, targets
        return MixedBatch(batch.images, own, other, batch.share).cross_entropy(logits)

    targets = (batch.labels.to(device), batch.partner_labels.to(device))
    lesson = Lesson(batch.images.to(device), targets, ask, loss, by_row=True)
    said = gear.step(state.optimizer, lesson, recipe.clip_norm)
    state.count_step(recipe.averaging)
    return said
