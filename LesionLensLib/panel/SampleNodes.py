"""Sample cases as nodes of the scene, and as entries of the module Sample Data."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import slicer

from LesionLensLib.images.volume import Volume
from LesionLensLib.scene.volumes import add_volume

CATEGORY = "LesionLens"


def addImages(channels: Mapping[str, Volume], title: str) -> dict[str, Any]:
    """Add the images of a case to the scene, named by title and role; return the nodes by role."""
    name = slicer.mrmlScene.GenerateUniqueName
    return {role: add_volume(volume, name(f"{title} {role}")) for role, volume in channels.items()}


def registerSample(sampleName: str, title: str, thumbnail: Path, load: Callable[[], Any]) -> None:
    """Offer a case in the module Sample Data; `load` makes it on the spot, nothing is downloaded."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=sampleName,
        # A source needs one address for each file; with a function of its own it is never opened.
        uris=f"generated:{sampleName}",
        fileNames=sampleName,
        nodeNames=title,
        thumbnailFileName=str(thumbnail),
        customDownloader=lambda source: load(),
    )
