"""Images on disk and in memory: reading, writing, resampling and registration, all by SimpleITK.

The names below are looked up when they are first used: a panel that opens needs none of them, and loading SimpleITK
would hold it up. `resample` is not among them, because its module has the same name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from LesionLensLib.images.read import read_volume
    from LesionLensLib.images.register import read_transform, register_rigid
    from LesionLensLib.images.segmentation_file import Segment, write_segmentation
    from LesionLensLib.images.volume import Volume
    from LesionLensLib.images.write import write_volume

__all__ = [
    "Segment",
    "Volume",
    "read_transform",
    "read_volume",
    "register_rigid",
    "write_segmentation",
    "write_volume",
]
_HOMES = {
    "Segment": "segmentation_file",
    "Volume": "volume",
    "read_transform": "register",
    "read_volume": "read",
    "register_rigid": "register",
    "write_segmentation": "segmentation_file",
    "write_volume": "write",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
