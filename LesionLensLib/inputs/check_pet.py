"""Whether a PET is in SUV, and what its reader had to assume."""

from __future__ import annotations

import numpy as np

from LesionLensLib.images.volume import Volume
from LesionLensLib.inputs.findings import Finding

# Air and noise stay near 0 in a PET; a CT is full of air at -1000.
_LOWEST_SUV = -50.0
# Bladder and injection site get here in a few voxels; Bq/ml are in the thousands all over the body.
_HIGHEST_SUV = 100.0
# Reconstruction leaves values a little below 0; z-scores and MR go far below in many voxels.
_MOST_NEGATIVE_SUV = -0.5
# SUV is 1 on the average of a body, and muscle has half of that.
_LEAST_SUV = 0.5
_USUAL_UPTAKE_MINUTES = (30.0, 180.0)


def check_pet(pet: Volume, role: str = "PET") -> tuple[Finding, ...]:
    """Judge the values of a PET and the notes that `read_pet` left in its header."""
    return (*_values(pet, role), *_assumptions(pet, role))


def _values(pet: Volume, role: str) -> tuple[Finding, ...]:
    finite = pet.array[np.isfinite(pet.array)] if pet.array.dtype.kind == "f" else pet.array
    if finite.size == 0:
        return ()
    low, high = np.percentile(finite, (1.0, 99.0))
    if low < _LOWEST_SUV:
        return (
            Finding(
                "error",
                "pet-is-ct",
                f"The image given as {role} looks like a CT: its values go down to {finite.min():.0f}.",
                "Check which file was given for which channel.",
            ),
        )
    if high > _HIGHEST_SUV:
        return (_not_suv(role, f"one voxel in a hundred is above {high:.0f}. It seems to be in Bq/ml"),)
    if low < _MOST_NEGATIVE_SUV:
        return (_not_suv(role, f"one voxel in a hundred is below {low:.1f}, and uptake is never negative"),)
    if finite.max() < _LEAST_SUV:
        return (_not_suv(role, f"no voxel is above {finite.max():.2g}, less than muscle takes up"),)
    return ()


def _not_suv(role: str, reason: str) -> Finding:
    return Finding(
        "error",
        "pet-not-suv",
        f"{role} is not in SUV: {reason}.",
        "Give the DICOM series itself, which is turned into SUV, or an image in SUV by body weight.",
    )


def _assumptions(pet: Volume, role: str) -> tuple[Finding, ...]:
    findings = []
    if "suv_assumed" in pet.header:
        findings.append(
            Finding(
                "warning",
                "suv-assumed",
                f"The DICOM files of {role} lack what SUV needs; assumed as asked for: {pet.header['suv_assumed']}.",
                "Do not compare its SUV with others.",
            )
        )
    if pet.header.get("suv_injection_date") == "replaced":
        findings.append(
            Finding(
                "warning",
                "suv-injection-date",
                f"The date of injection of {role} does not fit its scan; the time was put on the day of the scan.",
                "Check the times of injection and scan.",
            )
        )
    minutes = float(pet.header.get("suv_uptake_minutes", "60"))
    if not _USUAL_UPTAKE_MINUTES[0] <= minutes <= _USUAL_UPTAKE_MINUTES[1]:
        findings.append(
            Finding(
                "warning",
                "suv-uptake-time",
                f"{role} was scanned {minutes:.0f} minutes after the injection, which is unusual for FDG.",
                "Check the times of injection and scan; a wrong one makes all SUV wrong.",
            )
        )
    return tuple(findings)
