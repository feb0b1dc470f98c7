"""The catalogue of models: cards are data, weights are safetensors whose SHA-256 the card states."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from LesionLensLib.errors import EnvironmentFault, UserError

if TYPE_CHECKING:
    import torch

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
    `brain_mask` says in words how the brain is found where none is given.
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


def models_root() -> Path:
    """Return the folder of the shipped models: `LESIONLENS_MODELS`, else `Resources/Models` beside the library."""
    chosen = os.environ.get("LESIONLENS_MODELS")
    return Path(chosen) if chosen else Path(__file__).resolve().parent.parent / "Resources" / "Models"


def list_cards() -> tuple[ModelCard, ...]:
    """Return the cards of all shipped models, sorted by id; folders without a card are no models."""
    root = models_root()
    if not root.is_dir():
        return ()
    return tuple(read_card(path.parent) for path in sorted(root.glob(f"*/{CARD_FILE}")))


def find_card(id_or_path: str) -> ModelCard:
    """Return the card of a shipped model by id, or of the user's own model folder by path; raises `UserError`.

    Only a plain id is looked up below the models folder, so `../` can never lead out of it by accident; anything
    else is the path of a folder that the user names openly.
    """
    if MODEL_ID.fullmatch(id_or_path) and (models_root() / id_or_path / CARD_FILE).is_file():
        return read_card(models_root() / id_or_path)
    folder = Path(id_or_path)
    try:
        is_model = (folder / CARD_FILE).is_file()
    except (OSError, ValueError):
        is_model = False
    if is_model:
        return read_card(folder)
    known = ", ".join(card.id for card in list_cards()) or "none installed"
    raise UserError(
        f"There is no model {id_or_path}.", f"Use one of: {known}; or the path of a folder with a {CARD_FILE}."
    )


def read_card(folder: Path) -> ModelCard:
    """Read and check the card of a model folder; raises `UserError` that names the wrong field."""
    from LesionLensLib.card_schema import card_from_record

    path = folder / CARD_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"The model card in {folder.name} cannot be read.",
            f"Correct {CARD_FILE} or get the model again.",
            str(error),
        ) from error
    return card_from_record(record, folder.resolve())


def verify_weights(card: ModelCard) -> bool:
    """Return whether the weights file on disk has the SHA-256 of the card; a missing file is False."""
    try:
        with card.weights_path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == card.weights.sha256
    except OSError:
        return False


def load_weights(card: ModelCard) -> dict[str, torch.Tensor]:
    """Return the tensors of a model by name, half precision widened to fp32.

    The bytes that are hashed are the bytes that are parsed, so a file cannot change in between. Raises
    `EnvironmentFault` where the file is missing, differs from the card or is no safetensors file.
    """
    import safetensors.torch
    import torch

    remedy = "Get the model again; do not use this copy."
    try:
        content = card.weights_path.read_bytes()
    except OSError as error:
        raise EnvironmentFault(f"The weights of {card.id} are missing or unreadable.", remedy, str(error)) from error
    if hashlib.sha256(content).hexdigest() != card.weights.sha256:
        raise EnvironmentFault(f"The weights of {card.id} are damaged or were changed: their hash differs.", remedy)
    try:
        tensors = safetensors.torch.load(content)
    except Exception as error:  # the parser raises its own type and several built-in ones for malformed bytes
        raise EnvironmentFault(f"The weights of {card.id} are not a safetensors file.", remedy, repr(error)) from error
    return {name: t.float() if t.dtype in (torch.float16, torch.bfloat16) else t for name, t in tensors.items()}
