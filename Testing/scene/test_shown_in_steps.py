"""A result is shown in steps that can be taken back together; the child's surfaces are those that Slicer would make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from result_case import LESIONS, SEGMENT_ID, ResultCase, make_case, oblique_grid

pytest.importorskip("slicer", reason="slicer-core is not installed")

from LesionLensLib.display.outline import closed_surface
from LesionLensLib.display.polydata import points_of, triangles_of
from LesionLensLib.display.prepared import FOLDER, read_prepared, write_prepared
from LesionLensLib.images.read import read_volume
from LesionLensLib.images.volume import Volume
from LesionLensLib.scene.compare import describe_scene, differences
from LesionLensLib.scene.hierarchy import subject_hierarchy
from LesionLensLib.scene.segmentation import show_result, showing_result
from LesionLensLib.scene.stepwise import Showing
from LesionLensLib.scene.volumes import load_volume, volume_of_node


@pytest.fixture(params=[True, False], ids=["left-handed", "right-handed"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> ResultCase:
    return make_case(tmp_path / "case", oblique_grid(left_handed=request.param))


def prepare(case: ResultCase, reference: Volume | None = None) -> None:
    report = json.loads((case.folder / "report.json").read_text())
    write_prepared(case.folder, report, reference or read_volume(case.image), None)


def test_the_surface_is_point_for_point_the_one_that_slicer_makes(slicer: Any, case: ResultCase) -> None:
    node = show_result(case.folder, {"FLAIR": load_volume(case.image, "FLAIR")}, context_surface=False).segmentation
    theirs = node.GetClosedSurfaceInternalRepresentation(SEGMENT_ID)
    ours = closed_surface(Volume(case.lesions.astype(np.uint8), case.grid), 1)
    assert theirs.GetNumberOfPoints() > 100
    assert np.array_equal(triangles_of(ours), triangles_of(theirs))
    np.testing.assert_allclose(points_of(ours), points_of(theirs), atol=1e-3)


def test_a_prepared_result_is_shown_as_one_that_was_not(slicer: Any, case: ResultCase) -> None:
    image = load_volume(case.image, "FLAIR")
    show_result(case.folder, {"FLAIR": image})
    without = describe_scene()
    slicer.mrmlScene.Clear(0)
    image = load_volume(case.image, "FLAIR")
    prepare(case, volume_of_node(image))  # as the child gets it
    nodes = show_result(case.folder, {"FLAIR": image})
    assert differences(without, describe_scene()) == []
    assert differences(describe_scene(), without) == []
    assert np.linalg.norm(np.array(nodes.focus_ras) - LESIONS[0][0]) < LESIONS[0][1] / 2
    assert nodes.segmentation.GetClosedSurfaceInternalRepresentation(SEGMENT_ID).GetNumberOfPoints() > 100


def test_a_result_without_lesions_is_prepared_too(tmp_path: Path) -> None:
    case = make_case(tmp_path / "none", oblique_grid(left_handed=True), with_lesions=False)
    prepare(case)
    prepared = read_prepared(case.folder)
    assert prepared is not None
    assert (dict(prepared.outlines), prepared.focus_ras) == ({}, None)
    assert prepared.context is not None
    assert prepared.context.kind == "head"


def test_a_prepared_surface_that_is_damaged_leaves_nothing_in_the_scene(slicer: Any, case: ResultCase) -> None:
    prepare(case)
    (case.folder / FOLDER / "context.npz").write_bytes(b"no surface")
    image, before = load_volume(case.image, "FLAIR"), slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(Exception, match="pickle"):
        show_result(case.folder, {"FLAIR": image})
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_taken_back_after_any_step_it_leaves_nothing_but_what_the_user_added(
    slicer: Any, left_handed: ResultCase
) -> None:
    image = load_volume(left_handed.image, "FLAIR")
    node_ids = lambda: {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLNode")}  # noqa: E731
    steps = 0
    while True:
        before = node_ids()
        showing = Showing(showing_result(left_handed.folder, {"FLAIR": image}))
        is_done = False
        for _ in range(steps):
            is_done = showing.step()
        if is_done:
            break
        mine = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "mine")
        showing.undo()
        # Colours and views are made once for the whole scene; a result alone must go.
        assert {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLTextNode")} == {mine.GetID()}
        assert node_ids() - before == {mine.GetID()}
        assert not subject_hierarchy().GetItemByName("rsanet-ms on FLAIR")
        slicer.mrmlScene.RemoveNode(mine)
        steps += 1
    assert steps > 5, "it is shown in more than one step"
    assert showing.result is not None
