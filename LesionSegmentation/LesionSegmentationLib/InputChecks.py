"""What can be said about the chosen nodes at once, without reading a voxel; the program itself checks the rest."""

from typing import Any

from slicer.i18n import tr as _

from LesionLensLib.inputs import suggest_role
from LesionLensLib.scene.volumes import grid_of_node


def whyNotReady(inputs: dict, card: Any, brainMask: Any = None) -> str:
    """Return in one sentence why the work cannot start with these nodes, or an empty text."""
    missing = [role for role in card.roles if inputs.get(role) is None]
    if missing:
        return _("Choose the image for {roles}.").format(roles=", ".join(missing))
    for role in card.roles:
        problem = imageProblem(role, inputs, card)
        if problem:
            return problem
    if brainMask is not None and not brainMask.IsA("vtkMRMLSegmentationNode"):
        return unusable(brainMask, _("The brain mask"), inputs[card.reference_role])
    return ""


def imageProblem(role: str, inputs: dict, card: Any) -> str:
    """Return in one sentence what is wrong with the place or voxel size of the image of a role, or an empty text."""
    node, reference = inputs[role], inputs.get(card.reference_role)
    twin = next((other for other, chosen in inputs.items() if other != role and chosen is node), None)
    if twin is not None:
        return _("The same image is chosen for {role} and {twin}.").format(role=role, twin=twin)
    problem = unusable(node, role, reference)
    if problem or unusable(reference, role, None):
        return problem
    grid = grid_of_node(node)
    low, high = card.spacing_range_mm
    spacing = " x ".join(f"{edge:.2g}" for edge in grid.spacing_mm)
    if not all(low <= edge <= high for edge in grid.spacing_mm):
        return _("The voxels of {role} measure {spacing} mm; the model was made for {low:g} to {high:g} mm.").format(
            role=role, spacing=spacing, low=low, high=high
        )
    if grid_of_node(reference).overlap_fraction(grid) == 0.0:
        return _("{role} does not overlap with {reference}: they show different places.").format(
            role=role, reference=card.reference_role
        )
    return ""


def unusable(node: Any, title: str, reference: Any) -> str:
    """Return why a volume node cannot be read as it is, or an empty text.

    Files hold no parent transform: it is ignored where the reference image has the same one, and refused where not.
    """
    if node is None or node.GetImageData() is None or node.GetImageData().GetNumberOfPoints() == 0:
        return _("{title} has no voxels.").format(title=title)
    if reference is not None and node.GetParentTransformNode() is not reference.GetParentTransformNode():
        return _("{title} is moved by another transform than the reference image; harden the transforms first.").format(
            title=title
        )
    return ""


def suggestedRole(node: Any, card: Any) -> Any:
    """Return the role that the name or the description of a volume node speaks of, or None."""
    return suggest_role(node.GetName() or "", node.GetDescription() or "", card.roles)
