"""A process without a network: the environment that cuts it off, and what tried to use it."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def cut_off(log: Path) -> dict[str, str]:
    """Return an environment in which no Python can connect to another computer; attempts are written to `log`."""
    paths = [str(REPOSITORY / "Testing" / "no_network"), str(REPOSITORY)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "LESIONLENS_NETWORK_LOG": str(log)}


def attempts(log: Path) -> list[str]:
    """Return who tried to connect where."""
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []
