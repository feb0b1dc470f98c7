"""Images on disk and in memory: reading, writing, resampling and registration, all by SimpleITK."""

from LesionLensLib.images.read import read_volume
from LesionLensLib.images.register import read_transform, register_rigid
from LesionLensLib.images.resample import resample
from LesionLensLib.images.segmentation_file import Segment, write_segmentation
from LesionLensLib.images.volume import Volume
from LesionLensLib.images.write import write_volume

__all__ = [
    "Segment",
    "Volume",
    "read_transform",
    "read_volume",
    "register_rigid",
    "resample",
    "write_segmentation",
    "write_volume",
]
