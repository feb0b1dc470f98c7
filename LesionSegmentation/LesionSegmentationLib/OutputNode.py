"""Puts a result into the segmentation node that the user chose for it."""

from typing import Any

import slicer

from LesionLensLib.scene.hierarchy import move_into


def moveSegments(nodes: Any, target: Any) -> None:
    """Replace what `target` holds by the segments of a result's own segmentation node, which is removed.

    `nodes` are the result's `SceneNodes`. The target keeps its name and takes over everything else: segments,
    surfaces, reference geometry, display, transform, attributes, description and place in the subject hierarchy.
    """
    source = nodes.segmentation
    target.GetSegmentation().DeepCopy(source.GetSegmentation())
    target.SetReferenceImageGeometryParameterFromVolumeNode(nodes.reference)
    target.CreateDefaultDisplayNodes()
    target.GetDisplayNode().CopyContent(source.GetDisplayNode())
    target.SetAndObserveTransformNodeID(source.GetTransformNodeID())
    target.SetDescription(source.GetDescription())
    for name in source.GetAttributeNames():
        target.SetAttribute(name, source.GetAttribute(name))
    move_into(nodes.folder_item, [target])
    slicer.mrmlScene.RemoveNode(source.GetDisplayNode())
    slicer.mrmlScene.RemoveNode(source)
