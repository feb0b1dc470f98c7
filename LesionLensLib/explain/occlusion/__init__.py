"""Occlusion: how the answer changes when a part of the image is replaced, exactly and only as far as needed."""

from LesionLensLib.explain.occlusion.map import OcclusionMap, occlusion_map
from LesionLensLib.explain.occlusion.settings import OcclusionSettings

__all__ = ["OcclusionMap", "OcclusionSettings", "occlusion_map"]
