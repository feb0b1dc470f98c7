"""The state of a training, its running average, and the one file it is kept in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

CHECKPOINT_FILE = "checkpoint.safetensors"
RANDOM = "random"
NetworkT = TypeVar("NetworkT", bound=nn.Module)


@dataclass
class TrainingState(Generic[NetworkT]):
    """What a run has come to: the network, its running average (the weights that are shipped), optimiser and step.

    `scaler` is that of the loss in fp16. Batches are numbered by steps, so that the step is the place in the data too.
    `random` are the states of torch's generators that a checkpoint held, for dropout that is not seeded by the step.
    """

    network: NetworkT
    average: dict[str, Tensor]
    optimizer: torch.optim.Optimizer
    step: int = 0
    scaler: torch.amp.GradScaler | None = None
    random: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def begin(cls, network: NetworkT, optimizer: torch.optim.Optimizer) -> TrainingState[NetworkT]:
        """Return the state before the first step."""
        average = {name: value.detach().clone() for name, value in network.state_dict().items()}
        return cls(network, average, optimizer)

    def count_step(self, averaging: float) -> None:
        """Count a step as done and move the average by it; `averaging` is the share that it keeps of itself."""
        self.step += 1
        keep = min(averaging, self.step / (self.step + 10))
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value.detach(), 1 - keep)
            else:
                self.average[name].copy_(value)  # batch normalisation counts its batches


def save_checkpoint(state: TrainingState[NetworkT], folder: Path) -> None:
    """Write network, average, optimiser and scaler into one safetensors file, replaced in one go."""
    tensors = {f"network.{k}": v.contiguous() for k, v in state.network.state_dict().items()}
    tensors |= {f"average.{k}": v.contiguous() for k, v in state.average.items()}
    for index, slot in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v).contiguous() for k, v in slot.items()}
    part = folder / "checkpoint.part"
    tensors |= {f"{RANDOM}.{k}": v for k, v in _random_states(state).items()}
    scaler = state.scaler.state_dict() if state.scaler else {}
    save_file(tensors, part, {"step": json.dumps(state.step), "scaler": json.dumps(scaler)})
    part.replace(folder / CHECKPOINT_FILE)


def load_checkpoint(state: TrainingState[NetworkT], folder: Path) -> None:
    """Continue from the checkpoint in `folder`."""
    path = folder / CHECKPOINT_FILE
    with safe_open(path, "pt") as file:
        notes = file.metadata()
    state.step = int(json.loads(notes["step"]))
    scaler = json.loads(notes.get("scaler", "{}"))
    if state.scaler is not None and state.scaler.is_enabled() and scaler:
        state.scaler.load_state_dict(scaler)
    tensors = load_file(path)
    state.network.load_state_dict({k[8:]: v for k, v in tensors.items() if k.startswith("network.")})
    for name in state.average:
        state.average[name].copy_(tensors[f"average.{name}"])
    state.random = {k.partition(".")[2]: v for k, v in tensors.items() if k.startswith(f"{RANDOM}.")}
    saved = state.optimizer.state_dict()
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            slots.setdefault(int(index), {})[name] = value
    saved["state"] = slots
    state.optimizer.load_state_dict(saved)


def go_on_at_random(state: TrainingState[NetworkT]) -> None:
    """Give torch's generators the states that the checkpoint held; nothing where there was none."""
    if "cpu" in state.random:
        torch.set_rng_state(state.random["cpu"])
    device = _device(state)
    if "cuda" in state.random and device.type == "cuda":
        torch.cuda.set_rng_state(state.random["cuda"], device)
    state.random = {}


def _random_states(state: TrainingState[NetworkT]) -> dict[str, Tensor]:
    device, states = _device(state), {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _device(state: TrainingState[NetworkT]) -> torch.device:
    return next(state.network.parameters()).device
