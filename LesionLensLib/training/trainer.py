"""Train RSANet from a recipe; a run may stop at any step and resume.

In fp32 a resumed run ends with the weights of an unbroken one. In bfloat16 torch's weight gradients differ in the last
bits from run to run on a CPU, so two runs agree only in quality.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from LesionLensLib.networks.losses import combined_loss
from LesionLensLib.networks.rsanet import RSANet
from LesionLensLib.training.checkpoint import TrainingState
from LesionLensLib.training.gear import STEPS_OF_A_SEED, Gear, Lesson, check_batch
from LesionLensLib.training.history import note_recipe
from LesionLensLib.training.pool import CropStream, PoolEntry
from LesionLensLib.training.recipe import Recipe
from LesionLensLib.training.schedule import cosine, warm_cosine
from LesionLensLib.training.start import starting_weights, take_over
from LesionLensLib.training.team import ALONE, Team
from LesionLensLib.training.training_loop import resume, run_steps

CLIP_NORM = 5.0


def make_state(recipe: Recipe, device: torch.device) -> TrainingState[RSANet]:
    """Return a fresh state with weights initialised from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    network = RSANet(3, 2, recipe.base_width, recipe.attention, recipe.kind, recipe.dropout).to(
        device, memory_format=torch.channels_last_3d  # type: ignore[call-overload]
    )
    optimizer = torch.optim.Adam(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    return TrainingState.begin(network, optimizer)


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the rate at `step`: linear warm-up, then a cosine down to a hundredth; once more in the final stage."""
    if step >= recipe.steps and recipe.final_steps:
        return cosine(recipe.final_learning_rate, (step - recipe.steps) / recipe.final_steps)
    return warm_cosine(recipe.learning_rate, step, recipe.warm_up_steps, recipe.steps)


def train(
    recipe: Recipe,
    pool: list[PoolEntry],
    folder: Path,
    device: torch.device,
    tell: Callable[[int, str], None],
    should_stop: Callable[[int], bool] = lambda step: False,
    team: Team = ALONE,
) -> TrainingState[RSANet]:
    """Train all steps of the recipe or until `should_stop(step)`; checkpoints and `metrics.csv` go into `folder`.

    `tell(step, text)` hears now and then how it goes. Raises `UserError` for a batch that `team` cannot share.
    """
    for size in recipe.batch_sizes:
        check_batch(size, recipe.accumulate, team)
    state = make_state(recipe, device)
    if recipe.start_from:
        take_over(state.network, state.average, starting_weights(recipe.start_from, folder)[0])
    gear = Gear(state.network, device, recipe.precision, recipe.accumulate, team)
    resume(state, folder, team)
    if team.is_first:
        note_recipe(recipe, state.step, folder)
    batches = _batches(pool, recipe, state.step, team)

    def do_step() -> float:
        return train_step(state, recipe, next(batches), device, gear)

    return run_steps(state, recipe.all_steps, folder, do_step, tell, should_stop, team)


def train_step(
    state: TrainingState[RSANet],
    recipe: Recipe,
    batch: tuple[Tensor, Tensor, Tensor],
    device: torch.device,
    gear: Gear | None = None,
) -> float:
    """Do one optimiser step on this process's rows of a batch (images, lesion, ignored), return the loss of the batch.

    `gear` says how; without one it is done at once and in this process.
    """
    gear = gear or Gear(state.network, device, recipe.precision)
    images, lesion, ignored = (part.to(device) for part in batch)
    state.network.train()
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(recipe, state.step)

    def ask(network: nn.Module, inputs: Tensor) -> tuple[Tensor]:
        return (network(inputs.contiguous(memory_format=torch.channels_last_3d)),)

    def loss(outputs: tuple[Tensor, ...], targets: tuple[Tensor, ...]) -> Tensor:
        logits, (lesion, ignored) = outputs[0].float(), targets
        return combined_loss(logits, lesion, recipe.lesion_share, recipe.loss_reading, ignored, recipe.dice_weight)

    seed = recipe.seed * STEPS_OF_A_SEED + state.step if gear.draws_by_rows else None
    said = gear.step(state.optimizer, Lesson(images, (lesion, ignored), ask, loss, seed=seed), CLIP_NORM)
    state.count_step(recipe.averaging)
    return said


def _batches(
    pool: list[PoolEntry], recipe: Recipe, first: int, team: Team
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    stream = CropStream(pool, recipe, first, team)
    # One worker process: batches are numbered, and several workers would repeat each other's numbers.
    return iter(DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=4))
