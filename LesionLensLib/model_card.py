"""What is known about a model: the values that a model card is read into."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from LesionLensLib.outcome_card import OutcomeCard
from LesionLensLib.regression_card import RegressionCard

CARD_SCHEMA = 1
CARD_FILE = "card.json"
MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
EVIDENCE = ("real-data", "simulated", "untrained")


@dataclass(frozen=True)
class Channel:
    """One input channel of a network, in the order the network expects it.

    `hints` are lower-case words found in file names or series descriptions of such images; `tissue_order` names the
    tissues from dark to bright as this contrast shows them (`csf`, `grey_matter`, `white_matter`), empty if unknown.
    """

    role: str
    title: str = ""
    modality: str = "MR"
    hints: tuple[str, ...] = ()
    tissue_order: tuple[str, ...] = ()


@dataclass(frozen=True)
class Label:
    """One class of the network's output: value in the label map, stable segment id, name, colour (0..1), terminology.

    `terminology` is Slicer's serialised terminology entry, or empty.
    """

    value: int
    id: str
    name: str
    color: tuple[float, float, float] = (1.0, 0.0, 0.0)
    terminology: str = ""


@dataclass(frozen=True)
class Weights:
    """The weights file of a model: plain file name beside the card, SHA-256 in lower-case hex, size in bytes."""

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class ModelCard:
    """All that is known about a model, read from `card.json`; field names follow the MONAI bundle where it has one.

    `spacing_mm` is the spacing of the network's own grid (i, j, k), `spacing_range_mm` the smallest and largest voxel
    edge of images it was made for, `min_volume_ml` the lesion volume below which findings are dropped by default.
    `brain_mask` says in words how the brain is found where none is given. `outcome` is None for a model that only
    segments; in one that predicts, `threshold` is the probability from which the event is the predicted class.
    `regression` is None for all but a model that puts out numbers, which has no `labels`.
    """

    id: str
    version: str
    title: str
    task: str
    network: Mapping[str, Any]
    channel_def: tuple[Channel, ...]
    reference_role: str
    labels: tuple[Label, ...]
    weights: Weights
    folder: Path
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    spacing_range_mm: tuple[float, float] = (0.3, 6.0)
    normalization: str = "zscore-brain"
    expects_skull_stripped: bool = False
    brain_mask: str = ""
    threshold: float = 0.5
    min_volume_ml: float = 0.0
    evidence: str = "untrained"
    licence: str = ""
    citation: str = ""
    intended_use: str = ""
    data_source: str = ""
    description: str = ""
    outcome: OutcomeCard | None = None
    regression: RegressionCard | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of the channels in the order of the network's input."""
        return tuple(channel.role for channel in self.channel_def)

    @property
    def weights_path(self) -> Path:
        """Where the weights file lies."""
        return self.folder / self.weights.file

    def channel(self, role: str) -> Channel:
        """Return the channel of that role; raises `KeyError` if the model has none."""
        for channel in self.channel_def:
            if channel.role == role:
                return channel
        raise KeyError(role)
