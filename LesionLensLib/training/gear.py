"""How an optimiser step is carried out: in which precision, in how many passes, by how many processes.

The batch of a recipe is what one step learns from, however it is divided. The loss is taken on the outputs of the whole
batch, since a soft Dice loss pools the voxels of all its rows: each process receives the outputs of the others and
sends the gradient back through its own. In several passes that costs one forward pass more, in which the outputs are
found out (Gao et al., "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", 2021); a loss that is
the mean over the rows needs neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from LesionLensLib.errors import UserError
from LesionLensLib.training.precision import precision_on
from LesionLensLib.training.row_dropout import replace_dropout
from LesionLensLib.training.synced_norm import synchronise_norms
from LesionLensLib.training.team import ALONE, Team

Tensors = tuple[Tensor, ...]
STEPS_OF_A_SEED = 1_000_003
"""Where every step seeds dropout anew, the seeds of two runs must not meet: they lie this far apart."""


def check_batch(batch: int, passes: int, team: Team) -> None:
    """Raise `UserError` where a batch cannot be dealt in equal parts to the processes and passes."""
    if batch % (passes * team.size):
        raise UserError(
            f"A batch of {batch} cannot be dealt to {team.size} process{'es'[: 2 * (team.size > 1)]} in {passes} "
            f"pass{'es'[: 2 * (passes > 1)]} each.",
            "Make the batch of the recipe a multiple of their product, or start another number of processes.",
        )


@dataclass(frozen=True, eq=False)
class Lesson:
    """What one step learns from: this process's rows of the batch, and how they are asked and judged.

    `ask(network, inputs)` returns the outputs that count, each with a row for each row of `inputs`;
    `loss(outputs, targets)` judges them. `by_row` says that the loss is the mean of what each row would have alone.
    Dropout is drawn from `seed` where there is one.
    """

    inputs: Tensor
    targets: Tensors
    ask: Callable[[nn.Module, Tensor], Tensors]
    loss: Callable[[Tensors, Tensors], Tensor]
    by_row: bool = False
    seed: int | None = None

    def part(self, first: int, last: int) -> Lesson:
        """Return the lesson of some of the rows."""
        return replace(self, inputs=self.inputs[first:last], targets=tuple(t[first:last] for t in self.targets))


class Gear:
    """Does the steps of `network` on `device`; `unused` says that a step may leave some of its weights aside."""

    def __init__(
        self,
        network: nn.Module,
        device: torch.device,
        precision: str = "fp32",
        passes: int = 1,
        team: Team = ALONE,
        unused: bool = False,
    ) -> None:
        self.network, self.device, self.passes, self.team = network, device, passes, team
        self.precision = precision_on(precision, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        self._dropouts = replace_dropout(network) if passes * team.size > 1 else []
        self._asked: nn.Module = _Asked(network)
        if team.size > 1:
            synchronise_norms(network, team, device)
            self._asked = DistributedDataParallel(
                self._asked,
                device_ids=[device] if device.type == "cuda" else None,
                find_unused_parameters=unused,
            )

    @property
    def draws_by_rows(self) -> bool:
        """Whether dropout is drawn for divided batches, which needs a seed for each step."""
        return bool(self._dropouts)

    def step(self, optimizer: torch.optim.Optimizer, lesson: Lesson, clip_norm: float = 0.0) -> float:
        """Do one optimiser step and return the loss of the whole batch, the same in every process."""
        optimizer.zero_grad(set_to_none=True)
        if self.team.size == 1:
            loss = self._gradients(lesson)
        else:
            with self.team.told_of_losses():
                loss = self._gradients(lesson)
        if clip_norm:
            self.scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), clip_norm)
        self.scaler.step(optimizer)
        self.scaler.update()
        return loss

    def _gradients(self, lesson: Lesson) -> float:
        if lesson.by_row:
            return self._row_by_row(lesson)
        if self.passes == 1:
            return self._at_once(lesson)
        return self._in_passes(lesson)

    def _row_by_row(self, lesson: Lesson) -> float:
        total = 0.0
        for number, part in self._parts(lesson):
            with self._sends(number):
                loss = part.loss(self._outputs(part, number), part.targets) / self.passes
                self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        return sum(self.team.everyone(total)) / self.team.size

    def _at_once(self, lesson: Lesson) -> float:
        outputs = tuple(map(self.team.whole, self._outputs(lesson, 0)))
        loss = lesson.loss(outputs, tuple(map(self.team.whole, lesson.targets)))
        # Gradients are averaged over the processes, of which each has a part of the one loss.
        self.scaler.scale(loss * self.team.size).backward()  # type: ignore[no-untyped-call]
        return loss.item()

    def _in_passes(self, lesson: Lesson) -> float:
        with torch.no_grad(), _kept_buffers(self.network):
            told = [self._outputs(part, number, plain=True) for number, part in self._parts(lesson)]
        own = [torch.cat(rows).requires_grad_() for rows in zip(*told, strict=True)]
        loss = lesson.loss(tuple(map(self.team.whole, own)), tuple(map(self.team.whole, lesson.targets)))
        self.scaler.scale(loss * self.team.size).backward()  # type: ignore[no-untyped-call]
        size = len(lesson.inputs) // self.passes
        for number, part in self._parts(lesson):
            with self._sends(number):
                outputs = self._outputs(part, number)
                pairs = [(rows, one.grad) for rows, one in zip(outputs, own, strict=True) if one.grad is not None]
                wanted = [gradient[number * size : (number + 1) * size] for _, gradient in pairs]
                torch.autograd.backward([rows for rows, _ in pairs], wanted)
        return loss.item()

    def _parts(self, lesson: Lesson) -> Iterator[tuple[int, Lesson]]:
        if len(lesson.inputs) % self.passes:
            raise ValueError(f"{len(lesson.inputs)} rows cannot be divided into {self.passes} passes")
        size = len(lesson.inputs) // self.passes
        for number in range(self.passes):
            yield number, lesson.part(number * size, (number + 1) * size)

    def _outputs(self, part: Lesson, number: int, plain: bool = False) -> Tensors:
        """Return the outputs of pass `number`; `plain` is for a pass that no gradient follows."""
        if part.seed is not None:
            torch.manual_seed(part.seed)
        for dropout in self._dropouts:
            size = len(part.inputs)
            first = (self.team.rank * self.passes + number) * size
            dropout.rows, dropout.count = range(first, first + size), size * self.passes * self.team.size
        kind = torch.float16 if self.precision == "fp16" else torch.bfloat16
        with torch.autocast(self.device.type, kind, enabled=self.precision != "fp32"):
            outputs: Tensors = part.ask(self.network, part.inputs) if plain else self._asked(part.ask, part.inputs)
        return outputs

    def _sends(self, number: int) -> Any:
        """Return the block of a pass after which, if it is the last, the processes add up their gradients."""
        if isinstance(self._asked, DistributedDataParallel) and number < self.passes - 1:
            return self._asked.no_sync()
        return nullcontext()


class _Asked(nn.Module):
    """The outputs that count, and no others: torch's DDP waits for the gradient of all that it returns."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, ask: Callable[[nn.Module, Tensor], Tensors], inputs: Tensor) -> Tensors:
        return ask(self.network, inputs)


@contextmanager
def _kept_buffers(network: nn.Module) -> Iterator[None]:
    """Undo what a pass does to running statistics, which the next pass over the same rows counts."""
    before = [buffer.clone() for buffer in network.buffers()]
    yield
    for buffer, value in zip(network.buffers(), before, strict=True):
        buffer.copy_(value)
