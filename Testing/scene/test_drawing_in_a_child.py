"""A renderer that is missing or crashes costs the pictures, never the results or the application."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
from result_case import ResultCase

pytest.importorskip("slicer", reason="slicer-core is not installed")

from LesionLensLib.errors import EnvironmentFault, InternalFault
from LesionLensLib.scene import build, renderer
from LesionLensLib.scene_child import SCENE_FILE, VIEWS_FOLDER, draw_in_child

PICTURES = ["axial.png", "coronal.png", "sagittal.png", "threed.png"]
RESULTS = ["lesions.csv", "probability.nrrd", "report.json", "segmentation.seg.nrrd"]


def _hashes(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in RESULTS}


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("renderer")
def test_the_child_writes_the_scene_file_and_four_pictures(case_copy: ResultCase) -> None:
    before = _hashes(case_copy.folder)

    draw_in_child(
        case_copy.folder,
        {"FLAIR": str(case_copy.image)},
        "FLAIR",
        brain_mask=str(case_copy.image.parent / "brain.nrrd"),
    )

    assert _names(case_copy.folder) == sorted([*RESULTS, SCENE_FILE, VIEWS_FOLDER])
    assert _names(case_copy.folder / VIEWS_FOLDER) == PICTURES
    assert _hashes(case_copy.folder) == before


def test_without_a_renderer_the_scene_file_is_there_and_the_message_names_the_packages(
    case_copy: ResultCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _hashes(case_copy.folder)
    monkeypatch.setenv("VTK_DEFAULT_OPENGL_WINDOW", "vtkNoSuchRenderWindow")

    with pytest.raises(EnvironmentFault, match="no OpenGL renderer") as caught:
        draw_in_child(case_copy.folder, {"FLAIR": str(case_copy.image)}, "FLAIR")

    assert "libegl1" in caught.value.remedy
    assert "libgl1-mesa-dri" in caught.value.remedy
    assert "libosmesa6" in caught.value.remedy
    assert _names(case_copy.folder) == sorted([*RESULTS, SCENE_FILE])
    assert _hashes(case_copy.folder) == before


def test_a_child_that_dies_without_a_word_is_an_environment_fault_and_leaves_no_half_files(
    case_copy: ResultCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = tmp_path / "python"
    dying.write_text(f'#!/bin/sh\nmkdir "{case_copy.folder}/{build.WORK_FOLDER}"\necho half >&2\nkill -SEGV $$\n')
    dying.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(dying))

    with pytest.raises(EnvironmentFault, match="ended unexpectedly") as caught:
        draw_in_child(case_copy.folder, {"FLAIR": str(case_copy.image)}, "FLAIR")

    assert "half" in caught.value.detail
    assert _names(case_copy.folder) == RESULTS


def test_a_result_of_other_images_is_told_by_the_child(case_copy: ResultCase, left_handed: ResultCase) -> None:
    from LesionLensLib.images.read import read_volume
    from LesionLensLib.images.volume import Volume
    from LesionLensLib.images.write import write_volume

    volume = read_volume(left_handed.image)
    other = case_copy.image.with_name("other.nrrd")
    write_volume(Volume(volume.array[1:], volume.grid.cropped((0, 0, 1), (*volume.grid.size[:2], 53))), other)

    with pytest.raises(InternalFault, match="does not lie on the grid"):
        draw_in_child(case_copy.folder, {"FLAIR": str(other)}, "FLAIR")
    assert _names(case_copy.folder) == RESULTS


def test_a_channel_with_a_transform_lies_on_the_reference_in_the_scene(slicer: object, case_copy: ResultCase) -> None:
    import numpy as np
    import SimpleITK as sitk

    from LesionLensLib.images.read import read_volume
    from LesionLensLib.images.volume import Volume
    from LesionLensLib.images.write import write_volume
    from LesionLensLib.scene.build import build_scene

    reference = read_volume(case_copy.image)
    shift_lps = (11.0, -7.0, 5.0)
    moved_image = reference.to_sitk()
    moved_image.SetOrigin(tuple(np.array(moved_image.GetOrigin()) + shift_lps))
    moved, file = case_copy.image.with_name("T1.nrrd"), case_copy.image.with_name("T1_to_FLAIR.tfm")
    write_volume(Volume.from_sitk(moved_image), moved)
    sitk.WriteTransform(sitk.TranslationTransform(3, shift_lps), str(file))

    nodes = build_scene(case_copy.folder, {"T1": moved, "FLAIR": case_copy.image}, "FLAIR", None, {"T1": file})

    from LesionLensLib.scene.volumes import volume_of_node

    t1 = volume_of_node(slicer.util.getNode("T1"))
    flair = volume_of_node(nodes.reference)
    assert t1.grid.is_close(flair.grid)
    np.testing.assert_allclose(t1.array, flair.array, atol=1.0)


def test_a_renderer_that_does_not_draw_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderer, "candidates", lambda: ("broken", "working"))
    tried = []
    monkeypatch.setattr(renderer, "_draws", lambda name: tried.append(name) or name == "working")
    renderer.find_renderer.cache_clear()
    try:
        assert renderer.find_renderer() == "working"
        assert tried == ["broken", "working"]
    finally:
        renderer.find_renderer.cache_clear()


def test_the_probe_survives_a_class_that_does_not_exist() -> None:
    assert not renderer._draws("vtkNoSuchRenderWindow")


def test_the_users_own_choice_of_renderer_is_the_only_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(renderer.VARIABLE, "vtkOSOpenGLRenderWindow")
    assert renderer.candidates() == ("vtkOSOpenGLRenderWindow",)


def test_the_child_tells_a_fault_of_ours_with_its_traceback(
    case_copy: ResultCase, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from LesionLensLib.scene.__main__ import main

    def fail(*_: object) -> None:
        raise ZeroDivisionError("seven over nothing")

    monkeypatch.setattr(build, "write_scene", fail)
    assert main([str(case_copy.folder), f"FLAIR={case_copy.image}"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert "seven over nothing" in told["detail"]
    assert told["remedy"]
