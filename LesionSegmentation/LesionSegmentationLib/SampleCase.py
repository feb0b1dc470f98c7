"""The simulated head as nodes of the scene, for the panel's button, the module Sample Data and the tests."""

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

CATEGORY = "LesionLens"
SAMPLE_NAME = "LesionLensHead"
THUMBNAIL = "LesionLensSampleHead.png"


def loadSampleCase() -> dict:
    """Make the simulated head and add its three images to the scene; return the nodes by role."""
    from LesionLensLib.phantom import make_head_phantom

    return addHead(make_head_phantom())


def addHead(head: Any) -> dict:
    """Add the images of a head phantom to the scene; return the nodes by role."""
    from LesionLensLib.scene.volumes import add_volume

    name = slicer.mrmlScene.GenerateUniqueName
    return {role: add_volume(volume, name(f"Sample head {role}")) for role, volume in head.channels.items()}


def registerSampleData(icons: Path) -> None:
    """Offer the sample case in the module Sample Data; it is made on the spot, nothing is downloaded."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=SAMPLE_NAME,
        # A source needs one address for each file; with a function of its own it is never opened.
        uris="generated:LesionLensHead",
        fileNames=SAMPLE_NAME,
        nodeNames=_("Sample head"),
        thumbnailFileName=str(icons / THUMBNAIL),
        customDownloader=lambda source: loadSampleCase(),
    )
