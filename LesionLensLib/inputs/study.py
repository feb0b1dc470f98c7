"""Find among the series of a DICOM study the images that a model wants, as its card describes its channels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from LesionLensLib.errors import UserError
from LesionLensLib.images.dicom_study import StudySeries, listed_series
from LesionLensLib.images.series_path import SEPARATOR
from LesionLensLib.inputs.channel_guess import recognise, suggest_role

_ONE_OF_A_KIND = ("PT", "CT")


class ChannelLike(Protocol):
    """What the search needs of a channel of a model card."""

    @property
    def role(self) -> str: ...
    @property
    def modality(self) -> str: ...
    @property
    def hints(self) -> tuple[str, ...]: ...


def choose_series(
    series: Sequence[StudySeries], channels: Sequence[ChannelLike], role: str, folder: Path
) -> StudySeries:
    """Return the one series that is the image of `role`, judged by modality, descriptions and the card's hints.

    Raises `UserError` that lists the series where none or several fit: nothing is guessed.
    """
    images = [one for one in series if one.stacked]
    if len(images) == 1 and len({one.role for one in channels}) == 1:
        return images[0]
    judged = [(one, *_role_of(one, channels)) for one in images]
    for sure in (True, False):  # a modality alone is a reason only where no description gives one
        found = [one for one, fitting, named in judged if fitting == role and named is sure]
        if len(found) == 1:
            return found[0]
        if found:
            listed = listed_series(found)
            raise _undecided(f"{len(found)} series in {folder.name} could be {role}: {listed}.", role, folder)
    listed = f"it holds {listed_series(images)}" if images else "it holds no series of images"
    raise _undecided(f"No series in {folder.name} says that it is {role}; {listed}.", role, folder)


def match_study(
    series: Sequence[StudySeries], channels: Sequence[ChannelLike], folder: Path
) -> tuple[Mapping[str, StudySeries], Mapping[str, UserError]]:
    """Return the series of each role that has one, and for the others why not."""
    chosen: dict[str, StudySeries] = {}
    open_roles: dict[str, UserError] = {}
    for channel in channels:
        try:
            chosen[channel.role] = choose_series(series, channels, channel.role, folder)
        except UserError as error:
            open_roles[channel.role] = error
    return chosen, open_roles


def _role_of(one: StudySeries, channels: Sequence[ChannelLike]) -> tuple[str | None, bool]:
    """Return the role of a series, and whether its description names it (else only its modality fits)."""
    same = [channel for channel in channels if channel.modality == one.modality]
    agent = " +C" if one.has_agent and one.modality == "MR" else ""
    texts = [f"{text}{agent}" for text in (one.description, one.protocol)]
    role = suggest_role(texts[0], texts[1], [channel.role for channel in same])
    if role is not None:
        return role, True
    if any(recognise(text) is not None for text in texts) and one.modality not in _ONE_OF_A_KIND:
        return None, False
    hinted = [channel.role for channel in same if _has_hint(" ".join(texts), channel.hints)]
    if len(hinted) == 1:
        return hinted[0], True
    return (same[0].role, False) if len(same) == 1 else (None, False)


def _has_hint(text: str, hints: Sequence[str]) -> bool:
    plain = re.sub(r"[_.:/\\]+", " ", text.lower())
    return any(re.search(rf"(?<![a-z0-9]){re.escape(hint.lower())}(?![a-z0-9])", plain) for hint in hints)


def _undecided(message: str, role: str, folder: Path) -> UserError:
    example = f"{role}={folder.name}{SEPARATOR}4"
    return UserError(message, f"Name the series by its number or its description, for example {example}.")
