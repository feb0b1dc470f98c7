"""The sample sarcomas, simulated and real, for the panel's button, the module Sample Data and the tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

SAMPLE_NAME, REAL_NAME = "LesionLensThigh", "LesionLensSarcoma"
THUMBNAIL, REAL_THUMBNAIL = "LesionLensSampleThigh.png", "LesionLensSampleSarcoma.png"
MODEL = "chmfl-sarcoma"
LESION = "tumour"


def loadSampleCase() -> tuple:
    """Make the simulated thigh and add it to the scene; return PET and CT by role, and the outlined tumour."""
    from LesionLensLib.phantom import make_thigh_phantom

    return addThigh(make_thigh_phantom())


def addThigh(thigh: Any) -> tuple:
    """Add a thigh phantom to the scene; return the nodes of PET and CT by role, and the segmentation of the tumour."""
    from LesionLensLib.panel.SampleNodes import addImages
    from LesionLensLib.scene.segments import add_segmentation
    from LesionLensLib.scene.terminology import NEOPLASM, SOFT_TISSUE, find_term, load_terminology

    load_terminology()
    nodes = addImages(thigh.channels, "Sample thigh")
    name = slicer.mrmlScene.GenerateUniqueName("Sample thigh tumour")
    term = find_term(NEOPLASM, SOFT_TISSUE)
    return nodes, add_segmentation(thigh.lesion, name, nodes["CT"], (LESION, _("Tumour")), term)


def writeThigh(folder: Path) -> dict:
    """Write PET, CT and the outlined tumour of the simulated thigh into `folder`; return the paths by role."""
    from LesionLensLib.images.segmentation_file import Segment, write_segmentation
    from LesionLensLib.phantom import make_thigh_phantom
    from LesionLensLib.phantom.files import write_volumes
    from LesionLensLib.scene.terminology import NEOPLASM, SOFT_TISSUE, find_term

    thigh = make_thigh_phantom()
    paths = write_volumes(thigh.channels, folder)
    term = find_term(NEOPLASM, SOFT_TISSUE)
    tumour = folder / f"{LESION}.seg.nrrd"
    write_segmentation(thigh.lesion, [Segment(LESION, _("Tumour"), 1, term.color, term.entry)], tumour)
    return {**paths, LESION: tumour}


def chooseCase(typedNode: Any, nodes: dict) -> None:
    """Choose the model for sarcoma, the images and the tumour in the panel's typed parameter node, open or not."""
    from LesionLensLib.panel.ChannelRows import setChannelNode

    with slicer.util.NodeModify(typedNode.parameterNode):
        typedNode.model = MODEL
        typedNode.lesion = nodes[LESION]
        for role in nodes.keys() - {LESION}:
            setChannelNode(typedNode.parameterNode, role, nodes[role])


def registerSampleData(icons: Path, parameterNode: Callable[[], Any]) -> None:
    """Offer the sample cases in the module Sample Data; `parameterNode` returns the panel's typed one."""
    from LesionLensLib.panel.SampleSources import IMAGE, SEGMENTATION, MadeCase, registerDownload, registerMade

    def choose(nodes: dict) -> None:
        chooseCase(parameterNode(), nodes)

    def load() -> None:
        images, tumour = loadSampleCase()
        choose({**images, LESION: tumour})

    kinds = {"PET": IMAGE, "CT": IMAGE, LESION: SEGMENTATION}
    registerMade(MadeCase(SAMPLE_NAME, _("Sample thigh"), icons / THUMBNAIL, kinds, load, writeThigh))
    registerDownload(REAL_NAME, icons / REAL_THUMBNAIL, choose)
