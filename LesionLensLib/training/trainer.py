"""Train RSANet from a recipe; a run may stop at any step and resume.

In fp32 a resumed run ends with the weights of an unbroken one. In bfloat16 torch's weight gradients differ in the last
bits from run to run on a CPU, so two runs agree only in quality.
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader

from LesionLensLib.networks.losses import combined_loss
from LesionLensLib.networks.rsanet import RSANet
from LesionLensLib.training.pool import CropStream, PoolEntry
from LesionLensLib.training.recipe import Recipe

CHECKPOINT_EVERY = 100
LOG_EVERY = 20


@dataclass
class TrainingState:
    """What a run has come to: the network, its running average (the weights that are shipped), optimiser and step."""

    network: RSANet
    average: dict[str, Tensor]
    optimizer: torch.optim.Adam
    step: int = 0


def make_state(recipe: Recipe, device: torch.device) -> TrainingState:
    """Return a fresh state with weights initialised from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    network = RSANet(3, 2, recipe.base_width, recipe.attention, recipe.kind, recipe.dropout).to(
        device, memory_format=torch.channels_last_3d  # type: ignore[call-overload]
    )
    optimizer = torch.optim.Adam(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    return TrainingState(network, average, optimizer)


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the rate at `step`: linear warm-up, then a cosine down to a hundredth; once more in the final stage."""
    if step >= recipe.steps and recipe.final_steps:
        return _cosine(recipe.final_learning_rate, (step - recipe.steps) / recipe.final_steps)
    if step < recipe.warm_up_steps:
        return recipe.learning_rate * (step + 1) / recipe.warm_up_steps
    done = (step - recipe.warm_up_steps) / max(1, recipe.steps - recipe.warm_up_steps)
    return _cosine(recipe.learning_rate, done)


def _cosine(rate: float, done: float) -> float:
    return rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def train(
    recipe: Recipe,
    pool: list[PoolEntry],
    folder: Path,
    device: torch.device,
    tell: Callable[[int, str], None],
    should_stop: Callable[[int], bool] = lambda step: False,
) -> TrainingState:
    """Train all steps of the recipe or until `should_stop(step)`; checkpoints and `metrics.csv` go into `folder`.

    `tell(step, text)` hears every `LOG_EVERY` steps how it goes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = make_state(recipe, device)
    if (folder / "checkpoint.safetensors").exists():
        load_checkpoint(state, folder)
        _cut_log(folder, state.step)
    batches = _batches(pool, recipe, state.step)
    started, recent = time.monotonic(), []
    while state.step < recipe.all_steps and not should_stop(state.step):
        recent.append(train_step(state, recipe, next(batches), device))
        if state.step % LOG_EVERY == 0 or state.step == recipe.all_steps:
            mean = sum(recent) / len(recent)
            _log(folder, state.step, mean, state.optimizer.param_groups[0]["lr"], time.monotonic() - started)
            tell(state.step, f"step {state.step} of {recipe.all_steps}: loss {mean:.4f}")
            recent = []
        if state.step % CHECKPOINT_EVERY == 0 or state.step == recipe.all_steps:
            save_checkpoint(state, folder)
    save_checkpoint(state, folder)
    return state


def train_step(
    state: TrainingState, recipe: Recipe, batch: tuple[Tensor, Tensor, Tensor], device: torch.device
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
    state.step += 1
    keep = min(recipe.averaging, state.step / (state.step + 10))
    for name, value in state.network.state_dict().items():
        state.average[name].lerp_(value.detach(), 1 - keep)
    return loss.item()


def save_checkpoint(state: TrainingState, folder: Path) -> None:
    """Write network, average and optimiser into one safetensors file, replaced in one go."""
    tensors = {f"network.{k}": v.contiguous() for k, v in state.network.state_dict().items()}
    tensors |= {f"average.{k}": v.contiguous() for k, v in state.average.items()}
    for index, slot in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v).contiguous() for k, v in slot.items()}
    part = folder / "checkpoint.part"
    save_file(tensors, part, {"step": json.dumps(state.step)})
    part.replace(folder / "checkpoint.safetensors")


def load_checkpoint(state: TrainingState, folder: Path) -> None:
    """Continue from the checkpoint in `folder`."""
    from safetensors import safe_open

    path = folder / "checkpoint.safetensors"
    with safe_open(path, "pt") as file:
        state.step = int(json.loads(file.metadata()["step"]))
    tensors = load_file(path)
    state.network.load_state_dict({k[8:]: v for k, v in tensors.items() if k.startswith("network.")})
    for name in state.average:
        state.average[name].copy_(tensors[f"average.{name}"])
    saved = state.optimizer.state_dict()
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            slots.setdefault(int(index), {})[name] = value
    saved["state"] = slots
    state.optimizer.load_state_dict(saved)


def _batches(pool: list[PoolEntry], recipe: Recipe, first: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    stream = CropStream(pool, recipe, first)
    # One worker process: batches are numbered, and several workers would repeat each other's numbers.
    return iter(DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=4))


def _cut_log(folder: Path, step: int) -> None:
    """Drop the rows of steps that were done after the checkpoint and will be done again."""
    path = folder / "metrics.csv"
    if path.exists():
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        kept = [row for row in rows if int(row.split(",")[0]) <= step]
        path.write_text("\n".join([header, *kept]) + "\n", encoding="utf-8")


def _log(folder: Path, step: int, loss: float, rate: float, seconds: float) -> None:
    path = folder / "metrics.csv"
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["step", "loss", "learning_rate", "seconds"])
        writer.writerow([step, f"{loss:.5f}", f"{rate:.3e}", f"{seconds:.0f}"])
