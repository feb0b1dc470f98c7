"""Seeded digital phantoms, the cases of demo, tests and Sample Data.

A head with multiple sclerosis in T1, T2 and FLAIR, and a thigh with a sarcoma in FDG-PET and CT.
"""

from LesionLensLib.phantom.head import HeadPhantom, make_head_phantom, write_head_phantom
from LesionLensLib.phantom.thigh import ThighPhantom, make_thigh_phantom, write_thigh_phantom

__all__ = [
    "HeadPhantom",
    "ThighPhantom",
    "make_head_phantom",
    "make_thigh_phantom",
    "write_head_phantom",
    "write_thigh_phantom",
]
