"""What can be chosen in lists: methods, surfaces, devices. The first is the default."""

from slicer.i18n import tr as _

METHODS = (
    ("occlusion", _("Occlusion by cubes")),
    ("smocam", _("SMOCAM mask")),
    ("gradcam", _("Grad-CAM")),
    ("attention", _("Attention of the network")),
    ("features", _("Feature maps")),
)
OCCLUSION = METHODS[0][0]

BEYOND = "beyond"
SURFACES = (
    ("lesion", _("Lesion")),
    (BEYOND, _("Lesion, and beyond it")),
    ("brain", _("Brain")),
    ("none", _("None: volume rendering")),
)

MOST_CARDS = 4
DEVICES = (
    ("auto", _("Automatic")),
    *((f"cuda:{number}", _("GPU {number}").format(number=number)) for number in range(MOST_CARDS)),
    ("cpu", _("CPU")),
)


def surfaceOf(choice: str, beyondMm: float) -> str:
    """Return how a job names the surface: `lesion`, `lesion+5mm`, `brain` or `none`."""
    return f"lesion+{beyondMm:.1f}mm" if choice == BEYOND else choice
