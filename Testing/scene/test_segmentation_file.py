"""The `.seg.nrrd` that the library writes without Slicer, read by Slicer's own MRML."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("slicer")

from LesionLensLib.geometry import Grid
from LesionLensLib.images import Segment, Volume, write_segmentation
from LesionLensLib.scene.start import start

TERMINOLOGY = (
    "Segmentation category and type - DICOM master list~SCT^49755003^Morphologically Abnormal Structure"
    "~SCT^4147007^Mass~^^~Anatomic codes - DICOM master list~SCT^12738006^Brain~^^"
)
SEGMENTS = (
    Segment("lesion", "MS lesions", 1, (0.9, 0.2, 0.1), TERMINOLOGY),
    Segment("other", "Other", 2, (0.0, 0.5, 0.25)),
)


@pytest.mark.parametrize("hand", [1, -1])
def test_slicer_sees_id_name_colour_terminology_and_every_voxel_at_its_place(hand: int, tmp_path: Path) -> None:
    import vtk
    from vtk.util import numpy_support

    axes = Rotation.from_euler("xyz", (20, -15, 30), degrees=True).as_matrix() @ np.diag([1, 1, hand])
    grid = Grid((23, 31, 17), (0.7, 1.3, 3.1), (12.0, -40.0, 33.0), tuple(axes.ravel()))
    labels = np.random.default_rng(0).choice(np.uint8([0, 1, 2]), grid.shape, p=[0.9, 0.06, 0.04])
    write_segmentation(Volume(labels, grid), SEGMENTS, tmp_path / "result.seg.nrrd")
    slicer = start()
    node = slicer.util.loadSegmentation(str(tmp_path / "result.seg.nrrd"), {})
    segmentation = node.GetSegmentation()
    assert tuple(segmentation.GetSegmentIDs()) == ("lesion", "other")
    for expected in SEGMENTS:
        segment = segmentation.GetSegment(expected.id)
        assert segment.GetName() == expected.name
        assert segment.GetColor() == pytest.approx(expected.color)
        tag = vtk.mutable("")
        segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), tag)
        if expected.terminology:
            assert str(tag) == expected.terminology
        image = slicer.vtkOrientedImageData()
        node.GetBinaryLabelmapRepresentation(expected.id, image)
        matrix = vtk.vtkMatrix4x4()
        image.GetImageToWorldMatrix(matrix)
        to_ras = slicer.util.arrayFromVTKMatrix(matrix)
        shape = image.GetDimensions()[::-1]
        values = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)
        k, j, i = np.nonzero(values)
        start_ijk = np.array(image.GetExtent())[[0, 2, 4]]
        seen = (np.stack([i, j, k], axis=-1) + start_ijk) @ to_ras[:3, :3].T + to_ras[:3, 3]
        k, j, i = np.nonzero(labels == expected.value)
        written = grid.ras_from_ijk(np.stack([i, j, k], axis=-1))
        np.testing.assert_allclose(_sorted(seen), _sorted(written), atol=1e-6)
    slicer.mrmlScene.RemoveNode(node)


def test_a_result_without_any_lesion_still_has_its_segment(tmp_path: Path) -> None:
    grid = Grid((4, 5, 6), (1, 1, 1), (0, 0, 0))
    write_segmentation(Volume(np.zeros(grid.shape, np.uint8), grid), SEGMENTS[:1], tmp_path / "none.seg.nrrd")
    slicer = start()
    node = slicer.util.loadSegmentation(str(tmp_path / "none.seg.nrrd"), {})
    assert tuple(node.GetSegmentation().GetSegmentIDs()) == ("lesion",)
    slicer.mrmlScene.RemoveNode(node)


def _sorted(points: np.ndarray) -> np.ndarray:
    return points[np.lexsort(np.round(points, 3).T)]
