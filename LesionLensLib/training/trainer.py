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
from LesionLensLib.training.history import note_recipe
from LesionLensLib.training.pool import CropStream, PoolEntry
from LesionLensLib.training.recipe import Recipe
from LesionLensLib.training.schedule import cosine, warm_cosine
from LesionLensLib.training.start import starting_weights, take_over
from LesionLensLib.training.training_loop import resume, run_steps


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
) -> TrainingState[RSANet]:
    """Train all steps of the recipe or until `should_stop(step)`; checkpoints and `metrics.csv` go into `folder`.

    `tell(step, text)` hears now and then how it goes.
    """
    state = make_state(recipe, device)
    if recipe.start_from:
        take_over(state.network, state.average, starting_weights(recipe.start_from, folder)[0])
    resume(state, folder)
    note_recipe(recipe, state.step, folder)
    batches = _batches(pool, recipe, state.step)

    def do_step() -> float:
        return train_step(state, recipe, next(batches), device)

    return run_steps(state, recipe.all_steps, folder, do_step, tell, should_stop)


def train_step(
    state: TrainingState[RSANet], recipe: Recipe, batch: tuple[Tensor, Tensor, Tensor], device: torch.device
) -> float:
    """Do one optimiser step on `batch` (images, lesion, ignored) and return its loss."""
    images, lesion, ignored = (part.to(device) for part in batch)
    state.network.train()
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(recipe, state.step)
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
        logits = state.network(images.contiguous(memory_format=torch.channels_last_3d))
    loss = combined_loss(
        logits.float(), lesion, recipe.lesion_share, recipe.loss_reading, ignored, recipe.dice_weight
    )
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(state.network.parameters(), 5.0)
    state.optimizer.step()
    state.count_step(recipe.averaging)
    return loss.item()


def _batches(pool: list[PoolEntry], recipe: Recipe, first: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    stream = CropStream(pool, recipe, first)
    # One worker process: batches are numbered, and several workers would repeat each other's numbers.
    return iter(DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=4))
