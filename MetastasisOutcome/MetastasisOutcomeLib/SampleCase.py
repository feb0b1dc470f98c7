"""The simulated thigh and its sarcoma as nodes of the scene, for the panel's button, Sample Data and the tests."""

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

SAMPLE_NAME = "LesionLensThigh"
THUMBNAIL = "LesionLensSampleThigh.png"


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
    return nodes, add_segmentation(thigh.lesion, name, nodes["CT"], ("tumour", _("Tumour")), term)


def registerSampleData(icons: Path) -> None:
    """Offer the sample case in the module Sample Data."""
    from LesionLensLib.panel.SampleNodes import registerSample

    registerSample(SAMPLE_NAME, _("Sample thigh"), icons / THUMBNAIL, loadSampleCase)
