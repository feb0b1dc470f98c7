"""All checks of the input in one call, cheap ones first."""

from __future__ import annotations

from collections.abc import Mapping

import SimpleITK as sitk

from LesionLensLib.images.volume import Volume
from LesionLensLib.inputs.check_contrast import check_contrast
from LesionLensLib.inputs.check_geometry import check_overlap, check_spacing
from LesionLensLib.inputs.check_head import check_brain_mask, check_same_place, check_skull
from LesionLensLib.inputs.check_header import check_header
from LesionLensLib.inputs.check_roles import check_roles
from LesionLensLib.inputs.check_values import check_values
from LesionLensLib.inputs.expectations import CardLike, tissue_orders
from LesionLensLib.inputs.findings import Finding
from LesionLensLib.inputs.preview import Unseen, make_preview

RANK = {"error": 0, "warning": 1, "info": 2}


def check_inputs(
    volumes: Mapping[str, Volume],
    card: CardLike,
    reference: str,
    has_brain_mask: bool,
    *,
    brain_mask: Volume | None = None,
    transforms: Mapping[str, sitk.Transform] | None = None,
) -> tuple[Finding, ...]:
    """Return what is wrong or worth knowing about the channels, errors first; nothing is changed.

    `transforms` map points of the reference to points of a channel, as in `resample`. The content is looked at only
    where roles, values and places are sound, because it would add confusing remarks to them.
    """
    findings = list(check_roles(list(volumes), card))
    findings += check_values(volumes)
    findings += check_header(volumes, [channel.role for channel in card.channel_def])
    findings += check_spacing(volumes, card)
    if reference in volumes:
        findings += check_overlap(volumes, reference, transforms)
        if brain_mask is not None:
            findings += check_brain_mask(brain_mask, volumes, reference)
    if reference in volumes and not any(finding.severity == "error" for finding in findings):
        findings += _check_content(volumes, card, reference, has_brain_mask, transforms)
    return tuple(sorted(findings, key=lambda finding: RANK[finding.severity]))


def _check_content(
    volumes: Mapping[str, Volume],
    card: CardLike,
    reference: str,
    has_brain_mask: bool,
    transforms: Mapping[str, sitk.Transform] | None,
) -> tuple[Finding, ...]:
    orders = tissue_orders(card)
    if not orders:
        return ()
    preview = make_preview(volumes, reference, transforms)
    if isinstance(preview, Unseen):
        return (
            Finding(
                "error",
                "nothing-seen",
                f"{preview.role} holds no object brighter than its surroundings that could be a head.",
                f"Give the {preview.role} image itself, not a mask, a scout or an image of negative values.",
            ),
        )
    return (
        *check_same_place(preview, reference),
        *check_contrast(preview, orders),
        *check_skull(preview, card, has_brain_mask),
    )
