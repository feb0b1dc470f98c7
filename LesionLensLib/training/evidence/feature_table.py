"""What enters the last layers of an outcome model's networks, kept so that it can be drawn without the images."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from LesionLensLib.errors import UserError

FEATURES_FILE = "features.safetensors"
FINAL = "final"
_TENSOR, _MODEL, _WEIGHTS, _ROWS = "features", "model", "weights_sha256", "rows"


@dataclass(frozen=True)
class FeatureRow:
    """Whose features a line holds, which network made them (`final`, or `fold-K`), and whether it learned from them."""

    case: str
    patient: str
    outcome: int
    network: str
    learned_from: bool


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """`features` (n, p) with what each line is; `weights_sha256` says which weights made them."""

    model: str
    weights_sha256: str
    rows: tuple[FeatureRow, ...]
    features: NDArray[np.float32]

    def part(self, learned_from: bool) -> FeatureTable:
        """Return the lines whose network learned from the case, or did not."""
        chosen = [number for number, row in enumerate(self.rows) if row.learned_from is learned_from]
        rows = tuple(self.rows[number] for number in chosen)
        return FeatureTable(self.model, self.weights_sha256, rows, self.features[chosen])


def write_features(table: FeatureTable, folder: Path) -> None:
    """Write the table beside the model's weights, whole or not at all."""
    said = {_MODEL: table.model, _WEIGHTS: table.weights_sha256, _ROWS: json.dumps([asdict(row) for row in table.rows])}
    part = folder / f"{FEATURES_FILE}.part"
    save_file({_TENSOR: np.ascontiguousarray(table.features, dtype=np.float32)}, part, metadata=said)
    part.replace(folder / FEATURES_FILE)


def read_features(folder: Path) -> FeatureTable:
    """Read what `write_features` wrote; raises `UserError` for a file that is missing or something else."""
    try:
        with safe_open(folder / FEATURES_FILE, framework="numpy") as file:
            said, features = file.metadata(), file.get_tensor(_TENSOR)
        rows = tuple(FeatureRow(**row) for row in json.loads(said[_ROWS]))
        if features.ndim != 2 or len(features) != len(rows):
            raise ValueError(f"{len(rows)} lines, features of shape {features.shape}")
        return FeatureTable(said[_MODEL], said[_WEIGHTS], rows, features)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        message = f"The saved features of {folder.name} cannot be read."
        raise UserError(message, "Make them again with --features.", repr(error)) from error
