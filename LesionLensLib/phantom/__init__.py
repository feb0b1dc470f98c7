"""A seeded digital head with multiple sclerosis in T1, T2 and FLAIR: the case of demo, tests and Sample Data."""

from LesionLensLib.phantom.head import HeadPhantom, make_head_phantom, write_head_phantom

__all__ = ["HeadPhantom", "make_head_phantom", "write_head_phantom"]
