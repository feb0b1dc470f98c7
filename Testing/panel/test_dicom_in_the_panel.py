"""A DICOM study fills the rows of a panel, and results go into the DICOM database as objects of the same study."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import write_series
from panel_actions import press, run_to_end
from pet_files import write_pet

from LesionLensLib.images.dicom_series import read_dicom_series
from LesionLensLib.images.pet_series import read_pet
from LesionLensLib.images.volume import Volume
from LesionLensLib.phantom import HeadPhantom, ThighPhantom

NAMES = {"T1": "Sag MPRAGE", "T2": "Ax T2 TSE", "FLAIR": "Ax dark-fluid"}


class Database:
    """What the panels ask of Slicer's DICOM database: whether it is open, and the file of an instance."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.isOpen = folder, True
        self.files: dict[str, str] = {}

    def fileForInstance(self, uid: str) -> str:  # noqa: N802 (Slicer's name)
        return self.files.get(uid, "")

    def add(self, folder: str) -> None:
        for path in sorted(Path(folder).rglob("*.dcm")):
            uid = str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)
            self.files[uid] = str(shutil.copy(path, self.folder / f"{uid}.dcm"))


@pytest.fixture
def database(slicer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """An open, empty database in the application."""
    (tmp_path / "database").mkdir()
    database = Database(tmp_path / "database")
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    library = types.ModuleType("DICOMLib")

    def import_dicom(folder: str, database: Database, copyFiles: bool = False) -> bool:  # noqa: N803
        assert copyFiles, "the result folder is temporary"
        database.add(folder)
        return True

    library.DICOMUtils = types.SimpleNamespace(importDicom=import_dicom)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "DICOMLib", library)
    return database


@pytest.fixture(scope="module")
def study(head: HeadPhantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small head as three series in one folder; nobody may write there."""
    folder = tmp_path_factory.mktemp("study") / "study"
    for role, image in head.channels.items():
        scan = Volume(np.round(image.array).astype(np.int16), image.grid)
        write_series(scan, folder, description=NAMES[role], series=role)
    return folder


def uid_of(study: Path, series: str) -> str:
    return str(pydicom.dcmread(next(study.glob(f"{series}-*.dcm"))).SeriesInstanceUID)


def test_the_button_fills_every_row_with_its_series(
    panel: Any, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qt

    from LesionLensLib.scene.volumes import volume_of_node

    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda parent, title: str(study))
    press(panel.ui.studyButton)
    nodes = panel.parts.rows.nodes()
    assert {role: node.GetName().split(": ")[1] for role, node in nodes.items()} == NAMES
    for role, node in nodes.items():
        series, shown = read_dicom_series(study, uid_of(study, role)), volume_of_node(node)
        assert shown.grid.is_close(series.grid, 1e-3)
        np.testing.assert_array_equal(shown.array, series.array)
    assert panel.ui.applyButton.enabled


def test_what_is_not_clear_in_a_study_is_said_and_not_guessed(panel: Any, study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "twice")
    again = read_dicom_series(study, uid_of(study, "T2"))
    write_series(again, tmp_path / "twice", description="Cor T2", series="second")
    panel.loadStudy(tmp_path / "twice")
    assert set(panel.parts.rows.nodes()) == {"T1", "FLAIR"}
    assert "2 series in twice could be T2" in panel.ui.findingsLabel.text
    panel.loadStudy(study)
    assert not panel.ui.findingsLabel.visible


def test_a_series_with_missing_slices_is_not_loaded(panel: Any, slicer: Any, study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "gap")
    flair = sorted((tmp_path / "gap").glob("FLAIR-*.dcm"), key=lambda p: pydicom.dcmread(p).ImagePositionPatient[2])
    flair[20].unlink()
    panel.loadStudy(tmp_path / "gap")
    assert "FLAIR lacks 1 slices in the middle of the series" in panel.ui.findingsLabel.text
    assert panel.parts.rows.nodes() == {}
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []


def test_a_folder_without_dicom_is_a_sentence(panel: Any, tmp_path: Path) -> None:
    panel.loadStudy(tmp_path)
    assert "is empty" in panel.ui.statusLabel.text


def test_a_pet_of_a_study_comes_in_suv(outcome_panel: Any, thigh: ThighPhantom, tmp_path: Path) -> None:
    from LesionLensLib.scene.volumes import volume_of_node

    pet = thigh.channels["PET"]
    write_pet(Volume(np.round(1000 * pet.array).astype(np.int16), pet.grid), tmp_path / "s", series="pet")
    ct = thigh.channels["CT"]
    write_series(Volume(np.round(ct.array).astype(np.int16), ct.grid), tmp_path / "s", description="CT", series="ct")
    for path in (tmp_path / "s").glob("ct-*.dcm"):
        data = pydicom.dcmread(path)
        data.Modality = "CT"
        data.save_as(path)
    outcome_panel.loadStudy(tmp_path / "s")
    nodes = outcome_panel.parts.rows.nodes()
    expected = read_pet(tmp_path / "s", None, uid_of(tmp_path / "s", "pet"))
    assert expected.header["units"] == "SUVbw"
    np.testing.assert_allclose(volume_of_node(nodes["PET"]).array, expected.array, rtol=1e-6)
    assert set(nodes) == {"PET", "CT"}


def test_results_go_into_the_database_as_objects_of_the_study(
    panel: Any, study: Path, database: Database, slicer: Any
) -> None:
    from LesionLensLib.scene.volumes import grid_of_node

    pytest.importorskip("highdicom", reason="highdicom is not installed (optional group: dicom)")
    database.add(str(study))
    panel.loadStudy(study)
    press(panel.ui.advancedCollapsibleButton)
    panel.ui.dicomCheckBox.checked = True
    assert panel._parameterNode.dicomObjects
    run_to_end(panel)
    assert "The results are in the DICOM database too." in panel.ui.statusLabel.text
    objects = [pydicom.dcmread(database.fileForInstance(uid)) for uid in panel._result.dicom]
    assert sorted(one.Modality for one in objects) == ["OT", "SEG", "SR"]
    source = pydicom.dcmread(next(study.glob("FLAIR-*.dcm")))
    assert {one.StudyInstanceUID for one in objects} == {source.StudyInstanceUID}
    assert panel._result.segmentation.GetSegmentation().GetNumberOfSegments() == 1
    labels = slicer.util.arrayFromSegmentBinaryLabelmap(
        panel._result.segmentation, "lesion", panel.parts.rows.nodes()["FLAIR"]
    )
    import highdicom

    (path,) = (path for path in database.folder.glob("*.dcm") if pydicom.dcmread(path).Modality == "SEG")
    back = highdicom.seg.segread(path).get_volume(combine_segments=True)
    assert int(back.array.sum()) == int((labels != 0).sum()) > 0
    assert grid_of_node(panel.parts.rows.nodes()["FLAIR"]).voxel_ml * 1000 == pytest.approx(back.voxel_volume, rel=1e-3)


def test_the_folder_of_a_study_is_known_here_but_leaves_no_trace_in_a_saved_scene(
    panel: Any, slicer: Any, study: Path, tmp_path: Path
) -> None:
    from LesionLensLib.panel.DicomObjects import sourceFiles

    (tmp_path / "DOE_JANE").symlink_to(study)
    panel.loadStudy(tmp_path / "DOE_JANE")
    node = panel.parts.rows.nodes()["FLAIR"]
    assert {Path(path).name for path in sourceFiles(node)} == {path.name for path in study.glob("FLAIR-*.dcm")}
    said = [node.GetAttribute(name) for name in node.GetAttributeNames()]
    assert uid_of(study, "FLAIR") in said
    slicer.mrmlScene.SetSaveToXMLString(True)
    slicer.mrmlScene.Commit()
    scene = slicer.mrmlScene.GetSceneXMLString()
    slicer.mrmlScene.SetSaveToXMLString(False)
    assert uid_of(study, "FLAIR") in scene, "the scene was written"
    assert "DOE_JANE" not in scene


@pytest.mark.parametrize(("is_open", "says"), [(True, "came from no DICOM series"), (False, "no DICOM database")])
def test_without_series_or_database_the_wish_is_refused_before_the_work(
    filled: Any, database: Database, is_open: bool, says: str
) -> None:
    database.isOpen = is_open
    filled.ui.dicomCheckBox.checked = True
    press(filled.ui.applyButton)
    assert not filled.logic.isRunning
    assert says in filled.ui.statusLabel.text
