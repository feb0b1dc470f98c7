"""The processes that train together, as `torchrun` starts them: what they share, agree on, and who speaks.

A training in one process is a team of one, to which all of this is free. Nothing here depends on what is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from LesionLensLib.errors import EnvironmentFault, InternalFault, LesionLensError, UserError
from LesionLensLib.progress import Progress, SilentProgress

T = TypeVar("T")
_KINDS: dict[str, type[LesionLensError]] = {kind.__name__: kind for kind in (UserError, EnvironmentFault)}


@dataclass(frozen=True)
class Team:
    """Process `rank` of `size`, counted from 0; the first one alone writes files and speaks."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    def rows(self, count: int) -> range:
        """Return which of `count` rows of a batch are this process's; `ValueError` where they cannot be dealt."""
        if count % self.size:
            raise ValueError(f"{count} rows cannot be dealt to {self.size} processes")
        return range(count // self.size * self.rank, count // self.size * (self.rank + 1))

    def deals_me(self, number: int) -> bool:
        """Whether piece `number` of some work is this process's, where the pieces are dealt in turn."""
        return number % self.size == self.rank

    def voice(self, progress: Progress) -> Progress:
        """Return `progress` in the first process and silence in the others."""
        return progress if self.is_first else SilentProgress()

    def whole(self, rows: Tensor) -> Tensor:
        """Return the rows of all processes in order; only this one's carry a gradient."""
        if self.size == 1:
            return rows
        mine = rows.detach().contiguous()
        sent = mine.view(torch.uint8) if mine.dtype == torch.bool else mine  # gloo sends no truth values
        parts = [torch.empty_like(sent) for _ in range(self.size)]
        with self.told_of_losses():
            dist.all_gather(parts, sent)
        found = [part.view(mine.dtype) for part in parts]
        return torch.cat([*found[: self.rank], rows, *found[self.rank + 1 :]])

    def everyone(self, value: T) -> list[T]:
        """Return what each process gave, in order; waits for all of them."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        with self.told_of_losses():
            dist.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Return when every process has come here."""
        self.everyone(None)

    def decide(self, question: Callable[[], T]) -> T:
        """Return the first process's answer: a file may appear between the looks of two processes."""
        if self.size == 1:
            return question()
        answer = [question() if self.is_first else None]
        with self.told_of_losses():
            dist.broadcast_object_list(answer, 0)
        return answer[0]  # type: ignore[return-value]

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """Leave the block together; an error in any process is told by the first and ends the others without a word.

        Without that, those that are well would wait for the one that is not.
        """
        found: LesionLensError | None = None
        try:
            yield
        except LesionLensError as error:
            if self.size == 1:
                raise
            found = error
        if self.size == 1:
            return
        record = found and (type(found).__name__, found.message, found.remedy, found.detail)
        failed = [one for one in self.everyone(record) if one]
        if failed and not self.is_first:
            raise SystemExit(_KINDS.get(failed[0][0], InternalFault).exit_code)
        if failed:
            raise found or _KINDS.get(failed[0][0], InternalFault)(*failed[0][1:])

    @contextmanager
    def told_of_losses(self) -> Iterator[None]:
        """Turn what torch says when another process is gone into `EnvironmentFault`, told by the first one alone."""
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not _tells_of_a_loss(error):
                raise
            if not self.is_first:
                raise SystemExit(EnvironmentFault.exit_code) from error
            message = "Another process of this training has ended, and this one cannot go on alone."
            raise EnvironmentFault(message, "Start all of them again with --resume.", repr(error)) from error


ALONE = Team()


def _tells_of_a_loss(error: RuntimeError) -> bool:
    if isinstance(error, dist.DistError):
        return True
    said = str(error).lower()
    return "gloo" in said or "nccl" in said or "connection closed" in said or "connection reset" in said
