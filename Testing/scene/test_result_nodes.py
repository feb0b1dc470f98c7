"""Every node that a result folder becomes: segments, probability, table, report, one folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from result_case import LESIONS, MARK_RAS, SEGMENT_ID, ResultCase, make_case, oblique_grid

pytest.importorskip("slicer", reason="slicer-core is not installed")

from LesionLensLib.errors import InternalFault

Show = Callable[..., Any]


def test_the_segment_keeps_id_name_colour_and_coded_meaning(slicer: Any, show: Show, left_handed: ResultCase) -> None:
    import vtk

    core = show(left_handed).segmentation.GetSegmentation()

    assert core.GetNumberOfSegments() == 1
    segment = core.GetSegment(SEGMENT_ID)
    tag = vtk.reference("")
    assert segment.GetTag("TerminologyEntry", tag)
    entry = slicer.vtkSlicerTerminologyEntry()
    assert slicer.modules.terminologies.logic().DeserializeTerminologyEntry(str(tag), entry)
    assert segment.GetName() == "MS lesion"
    assert entry.GetTypeObject().GetCodeValue() == "52988006"
    assert entry.GetRegionObject().GetCodeValue() == "12738006"
    np.testing.assert_allclose(segment.GetColor(), np.array([230, 55, 40]) / 255, atol=1e-4)


def test_a_segment_without_meaning_becomes_a_lesion_of_the_brain(slicer: Any, show: Show, tmp_path: Path) -> None:
    import vtk

    from LesionLensLib.images.segmentation_file import Segment, write_segmentation
    from LesionLensLib.images.volume import Volume

    case = make_case(tmp_path, oblique_grid(left_handed=False))
    plain = [Segment(SEGMENT_ID, "spot", 1, (0.1, 0.2, 0.3))]
    write_segmentation(Volume(case.lesions.astype(np.uint8), case.grid), plain, case.folder / "segmentation.seg.nrrd")

    segment = show(case).segmentation.GetSegmentation().GetSegment(SEGMENT_ID)

    tag = vtk.reference("")
    segment.GetTag("TerminologyEntry", tag)
    assert "SCT^52988006^Lesion" in str(tag)
    assert segment.GetName() == "spot"
    np.testing.assert_allclose(segment.GetColor(), (0.1, 0.2, 0.3), atol=1e-6)


def test_our_terms_are_loaded_in_slicers_terminology_module(slicer: Any) -> None:
    import vtk

    from LesionLensLib.scene.terminology import load_terminology

    load_terminology()
    load_terminology()
    names = vtk.vtkStringArray()
    slicer.modules.terminologies.logic().GetLoadedTerminologyNames(names)
    assert [names.GetValue(i) for i in range(names.GetNumberOfValues())].count("LesionLens lesion types") == 1


@pytest.mark.parametrize("handed", ["left_handed", "right_handed"])
def test_the_segment_lies_on_the_lesion_voxels_in_the_patient(
    handed: str, show: Show, request: pytest.FixtureRequest
) -> None:
    from LesionLensLib.scene.segments import lesion_mask
    from LesionLensLib.scene.volumes import grid_of_node

    case: ResultCase = request.getfixturevalue(handed)
    nodes = show(case)
    mask = lesion_mask(nodes.segmentation, nodes.reference)

    found = grid_of_node(nodes.reference).ras_from_ijk(np.argwhere(mask)[:, ::-1])
    planted = case.grid.ras_from_ijk(np.argwhere(case.lesions)[:, ::-1])
    assert len(found) == len(planted)
    np.testing.assert_allclose(found[np.lexsort(found.T)], planted[np.lexsort(planted.T)], atol=1e-2)


def test_the_reference_geometry_is_that_of_the_reference_image(
    slicer: Any, show: Show, left_handed: ResultCase
) -> None:
    import vtk

    from LesionLensLib.scene.volumes import grid_of_node

    nodes = show(left_handed)
    geometry = slicer.vtkOrientedImageData()
    text = nodes.segmentation.GetSegmentation().GetConversionParameter("Reference image geometry")
    assert slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, geometry, False)

    matrix = vtk.vtkMatrix4x4()
    geometry.GetImageToWorldMatrix(matrix)
    np.testing.assert_allclose(
        slicer.util.arrayFromVTKMatrix(matrix), grid_of_node(nodes.reference).ijk_to_ras, atol=1e-6
    )
    assert nodes.segmentation.GetNodeReferenceID("referenceImageGeometryRef") == nodes.reference.GetID()


def test_the_closed_surface_has_the_lesions_places_and_volume(show: Show, left_handed: ResultCase) -> None:
    import vtk

    surface = show(left_handed).segmentation.GetClosedSurfaceInternalRepresentation(SEGMENT_ID)
    parts = vtk.vtkPolyDataConnectivityFilter()
    parts.SetInputData(surface)
    parts.Update()
    properties = vtk.vtkMassProperties()
    properties.SetInputData(surface)

    assert parts.GetNumberOfExtractedRegions() == len(LESIONS)
    voxels_ml = left_handed.lesions.sum() * left_handed.grid.voxel_ml
    assert properties.GetVolume() / 1000 == pytest.approx(voxels_ml, rel=0.08)
    bounds = surface.GetBounds()
    (left, *_), radius = LESIONS[0]
    assert bounds[0] == pytest.approx(left - radius, abs=2.0)


def test_the_probability_is_float_uniformly_coloured_and_transparent_where_low(
    slicer: Any, show: Show, left_handed: ResultCase
) -> None:
    node = show(left_handed).probability
    display = node.GetDisplayNode()
    table = display.GetColorNode()

    assert slicer.util.arrayFromVolume(node).dtype == np.float32
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), left_handed.probability[::-1])
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.0, 1.0)
    assert display.GetApplyThreshold()
    assert display.GetLowerThreshold() == pytest.approx(0.1)
    assert not table.GetHideFromEditors()
    assert table.GetStorageNode() is not None or table.GetSaveWithScene()
    assert table.GetNumberOfColors() == 256
    lightness = np.array([_lightness(table.GetLookupTable().GetTableValue(i)[:3]) for i in range(256)])
    assert np.all(np.diff(lightness) > 0), "a higher probability must always look brighter"
    steps = np.diff(lightness[30::15])  # what is shown, in steps so wide that rounding to 8 bits does not count
    assert steps.max() < 1.6 * steps.min(), "equal steps of probability must look equal"


def _lightness(rgb: tuple[float, ...]) -> float:
    """CIE L* of an sRGB colour, from the standard's formulas."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 116 * np.cbrt(luminance) - 16 if luminance > 0.008856 else 903.3 * luminance


def test_the_legend_appears_with_the_probability_and_two_results_share_one_colour_table(
    slicer: Any, show: Show, left_handed: ResultCase
) -> None:
    from LesionLensLib.scene.layout import slice_logic
    from LesionLensLib.scene.probability import show_probability

    red = slice_logic("Red").GetSliceCompositeNode()
    first, second = show(left_handed).probability, show(left_handed).probability
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(first)

    assert legend.GetTitleText() == "probability"
    assert not legend.GetVisibility()
    show_probability(first, 0.5)
    assert legend.GetVisibility()
    assert red.GetForegroundVolumeID() == first.GetID()
    show_probability(first, 0.0)
    assert not legend.GetVisibility()
    assert red.GetForegroundVolumeID() is None
    assert first.GetDisplayNode().GetColorNodeID() == second.GetDisplayNode().GetColorNodeID()


def test_the_table_has_the_numbers_units_and_descriptions_of_the_lesions(show: Show, left_handed: ResultCase) -> None:
    node = show(left_handed).table
    with (left_handed.folder / "lesions.csv").open() as file:
        rows = list(csv.DictReader(file))
    table = node.GetTable()

    assert table.GetNumberOfRows() == len(rows) == len(LESIONS)
    for column in rows[0]:
        values = [table.GetValueByName(row, column).ToDouble() for row in range(len(rows))]
        assert values == [float(row[column]) for row in rows]
        assert node.GetColumnDescription(column)
    assert table.GetColumnByName("lesion").GetClassName() == "vtkIntArray"
    assert node.GetColumnUnitLabel("volume_ml") == "ml"
    assert node.GetColumnUnitLabel("centroid_s") == "mm"
    assert node.GetLocked()


def test_the_report_node_holds_the_json_to_the_letter_and_says_research_use(
    show: Show, left_handed: ResultCase
) -> None:
    node = show(left_handed).report

    assert node.GetText() == (left_handed.folder / "report.json").read_text(encoding="utf-8")
    assert json.loads(node.GetText())["model"]["id"] == "rsanet-ms"
    assert "research use only" in node.GetName()
    assert "not a medical device" in node.GetDescription()


@pytest.mark.parametrize(
    ("evidence", "note"), [("simulated", "simulated outcome"), ("untrained", "untrained"), ("real-data", "")]
)
def test_every_name_says_when_a_model_is_simulated_or_untrained(
    show: Show, tmp_path: Path, evidence: str, note: str
) -> None:
    from LesionLensLib.scene.hierarchy import subject_hierarchy

    nodes = show(make_case(tmp_path, oblique_grid(left_handed=False), evidence=evidence))
    names = [node.GetName() for node in nodes.data_nodes]
    names.append(subject_hierarchy().GetItemName(nodes.folder_item))

    assert all(note in name for name in names)
    assert evidence == "simulated" or not any("simulated" in name for name in names)


def test_everything_lies_once_in_one_folder_beside_the_reference_image(
    slicer: Any, show: Show, left_handed: ResultCase
) -> None:
    import vtk

    from LesionLensLib.scene.hierarchy import item_of, nodes_in, subject_hierarchy
    from LesionLensLib.scene.segmentation import show_result
    from LesionLensLib.scene.volumes import load_volume

    hierarchy = subject_hierarchy()
    image = load_volume(left_handed.image, "FLAIR")
    study = hierarchy.CreateStudyItem(hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "P1"), "MR study")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(image), study)

    nodes = show_result(left_handed.folder, {"FLAIR": image})

    assert hierarchy.GetItemParent(nodes.folder_item) == study
    assert hierarchy.GetItemParent(item_of(image)) == study
    assert hierarchy.GetItemName(nodes.folder_item) == "rsanet-ms on FLAIR"
    assert nodes_in(nodes.folder_item) == nodes.data_nodes
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    owners = [hierarchy.GetItemDataNode(items.GetId(i)) for i in range(items.GetNumberOfIds())]
    assert all(owners.count(node) == 1 for node in [image, *nodes.data_nodes])


def test_of_images_on_one_grid_the_models_reference_is_the_reference(slicer: Any, tmp_path: Path) -> None:
    from LesionLensLib.scene.segmentation import show_result
    from LesionLensLib.scene.volumes import load_volume

    case = make_case(tmp_path, oblique_grid(left_handed=True))
    volumes = {role: load_volume(case.image, role) for role in ("T1", "T2", "FLAIR")}
    assert show_result(case.folder, volumes).reference is volumes["T1"]

    report = json.loads((case.folder / "report.json").read_text(encoding="utf-8"))
    report["model"]["reference_role"] = "FLAIR"
    (case.folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    assert show_result(case.folder, volumes).reference is volumes["FLAIR"]
    assert show_result(case.folder, volumes, reference_role="T2").reference is volumes["T2"]


def test_the_slices_go_to_the_deepest_point_of_the_largest_lesion(show: Show, left_handed: ResultCase) -> None:
    from LesionLensLib.scene.layout import slice_logic
    from LesionLensLib.scene.segments import largest_lesion_ras

    red = slice_logic("Red").GetSliceNode()
    red.SetOrientation("Axial")
    nodes = show(left_handed)

    point = largest_lesion_ras(nodes.segmentation, nodes.reference)
    np.testing.assert_allclose(point, MARK_RAS, atol=1.6)  # half a voxel of 3.1 mm
    assert red.GetSliceOffset() == pytest.approx(point[2], abs=1e-3)


def test_a_transformed_reference_image_carries_its_result_along(
    slicer: Any, show: Show, left_handed: ResultCase
) -> None:
    from LesionLensLib.scene.segmentation import show_result
    from LesionLensLib.scene.volumes import load_volume

    image = load_volume(left_handed.image, "FLAIR")
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    image.SetAndObserveTransformNodeID(transform.GetID())

    nodes = show_result(left_handed.folder, {"FLAIR": image})

    for node in (nodes.segmentation, nodes.probability, nodes.surface):
        assert node.GetTransformNodeID() == transform.GetID()


def test_a_result_without_lesions_gives_an_empty_segment_and_an_empty_table(show: Show, tmp_path: Path) -> None:
    from LesionLensLib.scene.segments import largest_lesion_ras, segment_ids

    nodes = show(make_case(tmp_path, oblique_grid(left_handed=True), with_lesions=False))

    assert segment_ids(nodes.segmentation) == [SEGMENT_ID]
    assert largest_lesion_ras(nodes.segmentation, nodes.reference) is None
    assert nodes.table.GetTable().GetNumberOfRows() == 0
    assert nodes.table.GetTable().GetNumberOfColumns() == 7


def test_images_of_another_place_are_refused_and_the_scene_stays_as_it_was(
    slicer: Any, left_handed: ResultCase
) -> None:
    from LesionLensLib.scene.segmentation import show_result

    other = slicer.util.addVolumeFromArray(np.zeros((4, 5, 6), np.uint8), name="other")
    before = slicer.mrmlScene.GetNumberOfNodes()

    with pytest.raises(InternalFault, match="does not lie on the grid"):
        show_result(left_handed.folder, {"FLAIR": other})
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_a_result_that_breaks_halfway_leaves_no_node_and_no_folder(slicer: Any, show: Show, tmp_path: Path) -> None:
    from LesionLensLib.scene.hierarchy import subject_hierarchy
    from LesionLensLib.scene.segmentation import show_result
    from LesionLensLib.scene.volumes import load_volume

    case = make_case(tmp_path, oblique_grid(left_handed=False))
    image = load_volume(case.image, "FLAIR")
    (case.folder / "lesions.csv").write_text("lesion,volume_ml\n1,not a number\n")
    show_result_ids = {slicer.mrmlScene.GetNthNode(i).GetID() for i in range(slicer.mrmlScene.GetNumberOfNodes())}

    with pytest.raises(ValueError, match="not a number"):
        show_result(case.folder, {"FLAIR": image})
    after = {slicer.mrmlScene.GetNthNode(i).GetID() for i in range(slicer.mrmlScene.GetNumberOfNodes())}
    assert after == show_result_ids
    assert not subject_hierarchy().GetItemByName("rsanet-ms on FLAIR")


def test_no_node_points_at_the_result_folder_which_may_be_temporary(
    slicer: Any, show: Show, left_handed: ResultCase
) -> None:
    show(left_handed)
    scene = slicer.mrmlScene
    storages = [
        scene.GetNthNodeByClass(index, "vtkMRMLStorageNode")
        for index in range(scene.GetNumberOfNodesByClass("vtkMRMLStorageNode"))
    ]

    assert not [node.GetFileName() for node in storages if str(left_handed.folder) in (node.GetFileName() or "")]


def test_the_brain_surface_encloses_the_mask_it_was_made_from(show: Show, left_handed: ResultCase) -> None:
    import vtk

    from LesionLensLib.images.volume import Volume

    brain = Volume(left_handed.brain.astype(np.uint8), left_handed.grid)
    model = show(left_handed, brain=brain).surface
    properties = vtk.vtkMassProperties()
    triangles = vtk.vtkTriangleFilter()
    triangles.SetInputData(model.GetPolyData())
    properties.SetInputConnection(triangles.GetOutputPort())

    assert "Brain surface" in model.GetName()
    assert properties.GetVolume() / 1000 == pytest.approx(left_handed.brain.sum() * left_handed.grid.voxel_ml, rel=0.03)
    assert 0 < model.GetDisplayNode().GetOpacity() < 1
    # The mask's ellipsoid has half axes of 66, 84 and 60 mm around RAS 0.
    np.testing.assert_allclose(model.GetPolyData().GetBounds(), (-66, 66, -84, 84, -60, 60), atol=2.5)


def test_without_a_brain_mask_the_surface_is_that_of_the_head(show: Show, left_handed: ResultCase) -> None:
    model = show(left_handed).surface

    assert "Head surface" in model.GetName()
    assert model.GetPolyData().GetBounds()[3] > 80


def test_the_context_surface_can_be_left_out(show: Show, left_handed: ResultCase) -> None:
    assert show(left_handed, context_surface=False).surface is None
