"""Sample cases as nodes of the scene."""

from collections.abc import Mapping
from typing import Any

import slicer

from LesionLensLib.images.volume import Volume
from LesionLensLib.scene.volumes import add_volume


def addImages(channels: Mapping[str, Volume], title: str) -> dict[str, Any]:
    """Add the images of a case to the scene, named by title and role; return the nodes by role."""
    name = slicer.mrmlScene.GenerateUniqueName
    return {role: add_volume(volume, name(f"{title} {role}")) for role, volume in channels.items()}
