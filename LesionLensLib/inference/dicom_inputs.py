"""Which DICOM series each channel of a case is, where the user gave a study folder that holds several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from LesionLensLib.images.series_path import series_path, split_series_path
from LesionLensLib.images.volume import Volume
from LesionLensLib.inputs.check_header import SERIES_CHOSEN
from LesionLensLib.jobs import CaseJob
from LesionLensLib.model_card import ModelCard

if TYPE_CHECKING:
    from LesionLensLib.images.dicom_study import StudySeries


@dataclass(frozen=True)
class ChannelPath:
    """Where a channel is read from; `chosen` says in words which series was picked, empty where nothing was."""

    path: Path
    chosen: str = ""

    def told(self, volume: Volume) -> Volume:
        """Return the volume with the choice noted in its header, for the input check to tell."""
        return replace(volume, header={**volume.header, SERIES_CHOSEN: self.chosen}) if self.chosen else volume


def channel_paths(job: CaseJob, card: ModelCard) -> Mapping[str, ChannelPath]:
    """Return the path of each channel; of a folder with several DICOM series, that of the one series that fits.

    Raises `UserError` that lists the series where none or several fit.
    """
    given = job.input_paths
    if not any(split_series_path(given[role])[0].is_dir() for role in card.roles):
        return {role: ChannelPath(Path(given[role])) for role in card.roles}
    studies: dict[Path, tuple[StudySeries, ...]] = {}
    return {role: _channel_path(given[role], card, role, studies) for role in card.roles}


def _channel_path(
    path: str, card: ModelCard, role: str, studies: dict[Path, tuple[StudySeries, ...]]
) -> ChannelPath:
    from LesionLensLib.images.dicom_study import find_series, list_series  # pydicom takes 0.2 s to import
    from LesionLensLib.inputs.study import choose_series

    folder, wanted = split_series_path(path)
    if not folder.is_dir():
        return ChannelPath(Path(path))
    series = studies.setdefault(folder, ()) or list_series(folder)
    studies[folder] = series
    if wanted:
        return ChannelPath(series_path(folder, find_series(series, wanted, folder).uid))
    if len(series) < 2:
        return ChannelPath(folder)
    one = choose_series(series, card.channel_def, role, folder)
    return ChannelPath(series_path(folder, one.uid), f"{one.title}, of {len(series)} series")
