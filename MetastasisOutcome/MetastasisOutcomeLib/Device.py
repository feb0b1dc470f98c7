"""The choice of the device in the panel."""

import enum

from slicer.i18n import tr as _


class Device(enum.Enum):
    """Where the network runs. Scenes store the names: never rename one."""

    AUTOMATIC = "auto"
    GPU_0 = "cuda:0"
    GPU_1 = "cuda:1"
    GPU_2 = "cuda:2"
    GPU_3 = "cuda:3"
    CPU = "cpu"

    def label(self) -> str:
        """Return how the choice is called in the panel."""
        names = {Device.AUTOMATIC: _("Automatic"), Device.CPU: _("CPU")}
        return names.get(self) or _("GPU {number}").format(number=self.value.split(":")[-1])
