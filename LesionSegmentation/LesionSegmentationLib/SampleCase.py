"""The simulated head as nodes of the scene, for the panel's button, the module Sample Data and the tests."""

from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

SAMPLE_NAME = "LesionLensHead"
THUMBNAIL = "LesionLensSampleHead.png"


def loadSampleCase() -> dict:
    """Make the simulated head and add its three images to the scene; return the nodes by role."""
    from LesionLensLib.phantom import make_head_phantom

    return addHead(make_head_phantom())


def addHead(head: Any) -> dict:
    """Add the images of a head phantom to the scene; return the nodes by role."""
    from LesionLensLib.panel.SampleNodes import addImages

    return addImages(head.channels, "Sample head")


def registerSampleData(icons: Path) -> None:
    """Offer the sample case in the module Sample Data."""
    from LesionLensLib.panel.SampleNodes import registerSample

    registerSample(SAMPLE_NAME, _("Sample head"), icons / THUMBNAIL, loadSampleCase)
