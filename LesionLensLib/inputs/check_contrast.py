"""Whether each image shows the contrast it was given for: wrong and swapped channels.

Two facts hold in every head and need no atlas and no calibrated brightness. Fluid is far brighter than brain in T2 and
in no other contrast used here. Among brain voxels, those brighter in T2 (grey matter) are brighter in FLAIR too and
darker in T1. On six real visits and on phantoms the two measures below differ between right and wrong by factors.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from LesionLensLib.inputs.expectations import FLUID, GREY, WHITE
from LesionLensLib.inputs.findings import Finding
from LesionLensLib.inputs.preview import Preview
from LesionLensLib.ranks import rank_correlation

_FLUID_LEVEL = 1.8
_FLUID_SHARE = 0.015
_FLUID_LEAD = 2.5
_BRAIN_RANGE = (0.6, 1.6)
_CLEAR_DIFFERENCE = 0.25
_CHECK_EACH = "Check which file was given for which channel."


def check_contrast(preview: Preview, orders: Mapping[str, tuple[str, ...]]) -> tuple[Finding, ...]:
    """Compare what the images show with the tissue order (dark to bright) of the role each was given for.

    Only models with exactly one fluid-bright channel (T2) and at least one other can be judged.
    """
    wet_roles = [role for role, order in orders.items() if order[-1] == FLUID]
    dry_roles = [role for role in orders if role not in wet_roles]
    if len(wet_roles) != 1 or not dry_roles or not set(orders) <= set(preview.channels):
        return ()
    inside = {role: _relative(preview.channels[role][preview.deep]) for role in orders}
    wettest = _fluid_bright(inside)
    if wettest is None:
        return (_unsure(f"no image shows the bright fluid of a {wet_roles[0]}"),)
    likeness = _grey_likeness(inside, wettest)
    if likeness is None:
        return (_unsure("too little of the brain is seen in all channels"),)
    looks = {wet_roles[0]: wettest, **_sorted_out(dry_roles, orders, likeness)}
    wrong = {role: image for role, image in looks.items() if role != image}
    if wrong:
        return (_mixed_up(wrong),)
    if len(looks) < len(orders):
        return (_unsure(f"{' and '.join(dry_roles)} show nearly the same contrast"),)
    return ()


def _relative(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values / max(float(np.median(values)), 1e-6)


def _fluid_bright(inside: Mapping[str, NDArray[np.float32]]) -> str | None:
    """Return the image in which clearly the most voxels are far brighter than the median."""
    shares = sorted(((float((values > _FLUID_LEVEL).mean()), role) for role, values in inside.items()), reverse=True)
    best, second = shares[0], shares[1]
    return best[1] if best[0] >= _FLUID_SHARE and best[0] >= _FLUID_LEAD * second[0] else None


def _grey_likeness(inside: Mapping[str, NDArray[np.float32]], wettest: str) -> dict[str, float] | None:
    """Return each image's rank correlation with the fluid-bright one among brain voxels (positive: grey is bright).

    None where too few voxels are seen, or an image is of one value among them: it correlates with nothing.
    """
    low, high = _BRAIN_RANGE
    brain = np.all([(values > low) & (values < high) for values in inside.values()], axis=0)
    if brain.sum() < 200 or any(np.ptp(values[brain]) == 0 for values in inside.values()):
        return None
    base = inside[wettest][brain]
    others = {role: values[brain] for role, values in inside.items() if role != wettest}
    return {role: rank_correlation(base, values) for role, values in others.items()}


def _sorted_out(
    roles: list[str], orders: Mapping[str, tuple[str, ...]], likeness: Mapping[str, float]
) -> dict[str, str]:
    """Return which image looks like which of the fluid-dark roles; empty where they are not told apart."""
    grey_bright = [role for role in roles if orders[role].index(GREY) > orders[role].index(WHITE)]
    white_bright = [role for role in roles if role not in grey_bright]
    if len(roles) == len(likeness) == 1:
        return {roles[0]: next(iter(likeness))}
    if len(grey_bright) != 1 or len(white_bright) != 1:
        return {}
    dark, bright = sorted(likeness, key=lambda image: likeness[image])
    if likeness[bright] - likeness[dark] < _CLEAR_DIFFERENCE:
        return {}
    return {grey_bright[0]: bright, white_bright[0]: dark}


def _mixed_up(wrong: Mapping[str, str]) -> Finding:
    """Name the images by the role they were given for and the contrast they show."""
    shown = ", ".join(f"the image given as {image} looks like a {role}" for role, image in sorted(wrong.items()))
    return Finding("error", "channels-swapped", f"The channels seem to be mixed up: {shown}.", _CHECK_EACH)


def _unsure(reason: str) -> Finding:
    return Finding("warning", "contrast-unsure", f"The contrasts could not be confirmed: {reason}.", _CHECK_EACH)
