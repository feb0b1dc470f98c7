"""The catalogue of models: cards are data, weights are safetensors whose SHA-256 the card states."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from LesionLensLib.card_schema import card_from_record
from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.model_card import CARD_FILE, MODEL_ID, ModelCard

if TYPE_CHECKING:
    import torch

    from LesionLensLib.outcome.typicality import TypicalityReference

QUICK_MODEL = "vgg-lesion-load"
"""The model whose estimate stands beside what a segmentation measured, where it is installed."""


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
    """Return whether weights, and typicality where the card names it, have the SHA-256 of the card on disk.

    A missing file is False.
    """
    files = {card.weights_path: card.weights.sha256}
    if card.outcome is not None and card.outcome.typicality is not None:
        files[card.folder / card.outcome.typicality.file] = card.outcome.typicality.sha256
    return all(_has_hash(path, sha256) for path, sha256 in files.items())


def _has_hash(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == sha256
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


def load_typicality(card: ModelCard) -> TypicalityReference | None:
    """Return the statistics of the training cases of an outcome model, None where the card names none.

    Raises `EnvironmentFault` where the file is missing or differs from the card, `UserError` where it holds something
    else.
    """
    if card.outcome is None or card.outcome.typicality is None:
        return None
    from LesionLensLib.outcome.typicality import TypicalityReference

    file = card.outcome.typicality
    remedy = "Get the model again; do not use this copy."
    try:
        content = (card.folder / file.file).read_bytes()
    except OSError as error:
        raise EnvironmentFault(f"{file.file} of {card.id} is missing or unreadable.", remedy, str(error)) from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise EnvironmentFault(f"{file.file} of {card.id} is damaged or was changed: its hash differs.", remedy)
    try:
        return TypicalityReference.from_dict(json.loads(content))
    except ValueError as error:
        raise UserError(f"{file.file} of {card.id} is not valid JSON.", remedy, str(error)) from error
