"""Whether channels that come as DICOM share their patient coordinates."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from LesionLensLib.images.volume import Volume
from LesionLensLib.inputs.findings import Finding


def check_frames(volumes: Mapping[str, Volume], reference: str, aligned: Collection[str] = ()) -> tuple[Finding, ...]:
    """Find channels of another frame of reference than the reference channel's: their positions cannot be compared.

    `aligned` names the channels that a transform or a registration brings onto the reference. Channels that do not
    state a frame (image files) are taken at their word.
    """
    frame = volumes[reference].header.get("frame_hash", "")
    return tuple(
        Finding(
            "error",
            "different-frames",
            f"{role} and {reference} have different frames of reference, so their positions cannot be compared.",
            "Give series of one examination, register them, or give a transform.",
        )
        for role, volume in volumes.items()
        if frame and role not in aligned and volume.header.get("frame_hash", frame) != frame
    )
