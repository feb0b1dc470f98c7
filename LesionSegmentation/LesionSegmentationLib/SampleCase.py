"""The sample heads, simulated and real, for the panel's button, the module Sample Data and the tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

SAMPLE_NAME, REAL_NAME = "LesionLensHead", "LesionLensMS"
THUMBNAIL, REAL_THUMBNAIL = "LesionLensSampleHead.png", "LesionLensSampleMS.png"
ROLES = ("T1", "T2", "FLAIR")


def loadSampleCase() -> dict:
    """Make the simulated head and add its three images to the scene; return the nodes by role."""
    from LesionLensLib.phantom import make_head_phantom

    return addHead(make_head_phantom())


def addHead(head: Any) -> dict:
    """Add the images of a head phantom to the scene; return the nodes by role."""
    from LesionLensLib.panel.SampleNodes import addImages

    return addImages(head.channels, "Sample head")


def writeHead(folder: Path) -> dict:
    """Write the images of the simulated head into `folder`; return the paths by role."""
    from LesionLensLib.phantom import make_head_phantom
    from LesionLensLib.phantom.files import write_volumes

    return write_volumes(make_head_phantom().channels, folder)


def chooseImages(typedNode: Any, nodes: dict) -> None:
    """Choose the images in the panel's typed parameter node, whether the panel is open or not."""
    from LesionLensLib.panel.ChannelRows import setChannelNode

    for role, node in nodes.items():
        setChannelNode(typedNode.parameterNode, role, node)


def registerSampleData(icons: Path, parameterNode: Callable[[], Any]) -> None:
    """Offer the sample cases in the module Sample Data; `parameterNode` returns the panel's typed one."""
    from LesionLensLib.panel.SampleSources import IMAGE, MadeCase, registerDownload, registerMade

    def choose(nodes: dict) -> None:
        chooseImages(parameterNode(), nodes)

    def load() -> None:
        choose(loadSampleCase())

    kinds = dict.fromkeys(ROLES, IMAGE)
    registerMade(MadeCase(SAMPLE_NAME, _("Sample head"), icons / THUMBNAIL, kinds, load, writeHead))
    registerDownload(REAL_NAME, icons / REAL_THUMBNAIL, choose)
