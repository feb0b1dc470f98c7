"""What passes between the one who runs a cohort and the workers: an order for a case, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Order:
    """One case to do. All paths are absolute, and the same for every worker.

    `job` is the job as JSON text, its output the folder to work in; `target` is where the finished folder goes;
    `mark` is a file that exists as long as anybody waits for the answer. `model` and `settings` are digests.
    """

    case: str
    task: str
    job: str
    target: str
    mark: str
    model: str
    settings: str
    version: str
    threads: int


@dataclass(frozen=True)
class Failure:
    """Why a case has no result: exit code, message and remedy of the public contract, and detail for a developer."""

    code: int
    message: str
    remedy: str
    detail: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of a case: the scalar fields of its result, or why there is none.

    `computed` is False where the folder that stood there was found to be the answer.
    """

    case: str
    seconds: float = 0.0
    fields: dict[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
    computed: bool = True
    cancelled: bool = False
