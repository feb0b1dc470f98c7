"""What can be said about the chosen nodes at once, without reading a voxel; the program itself checks the rest."""

from typing import Any

import numpy as np
from slicer.i18n import tr as _

from LesionLensLib.images.volume import Volume
from LesionLensLib.inputs import Finding, suggest_role
from LesionLensLib.inputs.check_geometry import check_overlap, check_spacing
from LesionLensLib.scene.volumes import grid_of_node


def whyNotReady(inputs: dict[str, Any], card: Any, brainMask: Any = None) -> str:
    """Return in one sentence why the work cannot start with these nodes, or an empty text."""
    missing = [role for role in card.roles if inputs.get(role) is None]
    if missing:
        return str(_("Choose the image for {roles}.")).format(roles=", ".join(missing))
    for role in card.roles:
        errors = [finding for finding in imageFindings(role, inputs, card) if finding.severity == "error"]
        if errors:
            return errors[0].text
    if brainMask is None:
        return ""
    return unusableMask(brainMask, _("The brain mask"), inputs[card.reference_role])


def imageFindings(role: str, inputs: dict[str, Any], card: Any) -> tuple[Finding, ...]:
    """Return what is wrong with the place or the voxel size of the image of a role, errors first.

    `inputs` are the chosen volume nodes by role, not necessarily all of them.
    """
    node, reference = inputs[role], inputs.get(card.reference_role)
    twin = next((other for other, chosen in inputs.items() if other != role and chosen is node), None)
    if twin is not None:
        return _error("same-image", _("The same image is chosen for {role} and {twin}.").format(role=role, twin=twin))
    problem = unusable(node, role, reference)
    if problem:
        return _error("unusable", problem)
    volumes = {role: _withoutVoxels(node)}
    findings = check_spacing(volumes, card)
    if reference is not None and not unusable(reference, card.reference_role, None):
        volumes[card.reference_role] = _withoutVoxels(reference)
        findings += check_overlap(volumes, card.reference_role)
    return tuple(sorted(findings, key=lambda finding: finding.severity != "error"))


def unusable(node: Any, title: str, reference: Any) -> str:
    """Return why a volume node cannot be read as it is, or an empty text.

    Files hold no parent transform: it is ignored where the reference image has the same one, and refused where not.
    A hardened affine transform leaves a volume with slanted axes, which no image file but NRRD can hold.
    """
    if node is None or node.GetImageData() is None or node.GetImageData().GetNumberOfPoints() == 0:
        return str(_("{title} has no voxels.")).format(title=title)
    try:
        grid_of_node(node)
    except ValueError:
        slanted = _("The voxel axes of {title} are not at right angles; resample it onto another image first.")
        return str(slanted).format(title=title)
    return _movedApart(node, title, reference)


def unusableMask(node: Any, title: str, reference: Any) -> str:
    """Return why a segmentation or label map node cannot be a mask of `reference`, or an empty text."""
    if node.IsA("vtkMRMLSegmentationNode"):  # exported without its transform, as the images are
        return _movedApart(node, title, reference)
    return unusable(node, title, reference)


def _movedApart(node: Any, title: str, reference: Any) -> str:
    if reference is not None and node.GetParentTransformNode() is not reference.GetParentTransformNode():
        moved = _("{title} is moved by another transform than the other images; harden the transforms first.")
        return str(moved).format(title=title)
    return ""


def suggestedRole(node: Any, card: Any) -> Any:
    """Return the role that the name or the description of a volume node speaks of, or None."""
    return suggest_role(node.GetName() or "", node.GetDescription() or "", card.roles)


def _withoutVoxels(node: Any) -> Volume:
    """Return a volume with the node's grid and one zero for all voxels: the checks here look at the grid only."""
    grid = grid_of_node(node)
    return Volume(np.broadcast_to(np.uint8(0), grid.shape), grid)


def _error(code: str, text: str) -> tuple[Finding, ...]:
    return (Finding("error", code, text),)
