"""A report holds every field of the public contract, no path of the machine, and nothing that is not JSON."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from LesionLensLib import __version__
from LesionLensLib.errors import InternalFault
from LesionLensLib.geometry import Grid
from LesionLensLib.report import (
    check_report,
    complete_report,
    hash_of,
    input_entry,
    output_entries,
    without_paths,
    write_report,
)

GRID = Grid((4, 5, 6), (1, 2, 3), (0, 0, 0))


def make_record(**changes: Any) -> dict[str, Any]:
    record = {
        "model": {"id": "m", "version": "1", "sha256": "0" * 64, "evidence": "untrained"},
        "device": "cpu",
        "settings": {"threshold": 0.5},
        "seed": 0,
        "inputs": [{"role": "T1", "sha256": "0" * 64, "grid": GRID.to_dict()}],
        "findings": [],
        "ladder": [],
        "timing": {"read": 0.5},
        "outputs": [{"path": "lesions.csv", "sha256": "0" * 64}],
        "result": {"lesion_count": 0, "lesion_volume_ml": 0.0},
    }
    return record | changes


def test_what_every_report_says_is_added() -> None:
    report = complete_report(make_record())
    assert report["schema"] == 1
    assert report["tool"] == {"name": "lesionlens", "version": __version__}
    assert report["environment"]["python"].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")
    assert set(report["environment"]) >= {"python", "torch", "numpy", "simpleitk", "slicer"}
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize("name", list(make_record()))
def test_a_missing_field_is_a_fault_of_ours(name: str) -> None:
    record = make_record()
    del record[name]
    with pytest.raises(InternalFault, match=name):
        complete_report(record)


@pytest.mark.parametrize(
    "change",
    [
        {"timing": {"read": -1.0}},
        {"timing": {"read": float("nan")}},
        {"seed": True},
        {"outputs": [{"path": "/tmp/lesions.csv", "sha256": ""}]},
        {"outputs": [{"path": "../lesions.csv", "sha256": ""}]},
        {"findings": [{"severity": "warning", "code": "x"}]},
        {"model": {"id": "m"}},
    ],
)
def test_a_field_of_the_wrong_form_is_a_fault_of_ours(change: dict[str, Any]) -> None:
    report = complete_report(make_record())
    check_report(report)
    broken = copy.deepcopy(report) | change
    with pytest.raises(InternalFault):
        check_report(broken)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("cannot read /home/anna/Müller_Hans/t1.nii.gz: truncated", "cannot read t1.nii.gz: truncated"),
        (r"cannot read C:\Users\anna\t1.nii.gz.", "cannot read t1.nii.gz."),
        ("0.7/0.7/3 mm and/or thick slices", "0.7/0.7/3 mm and/or thick slices"),
        ("T1: 'a b'", "T1: 'a b'"),
    ],
)
def test_absolute_paths_are_cut_down_to_the_file_name(text: str, clean: str) -> None:
    assert without_paths(text) == clean
    report = complete_report(make_record(findings=[{"severity": "warning", "code": "x", "text": text}]))
    assert report["findings"][0]["text"] == clean


def test_nan_in_a_result_is_refused_since_it_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_report(tmp_path, complete_report(make_record(result={"lesion_volume_ml": float("nan")})))
    assert list(tmp_path.iterdir()) == []


def test_an_input_is_known_by_hash_and_grid_but_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "Doe^John.nii"
    path.write_bytes(b"abc")
    entry = input_entry("T1", path, GRID)
    assert entry["sha256"] == hashlib.sha256(b"abc").hexdigest()
    assert entry["grid"]["sha256"] == GRID.sha256()
    assert Grid.from_dict(entry["grid"]) == GRID
    assert "Doe" not in json.dumps(entry)


def test_the_hash_of_a_series_changes_with_any_byte_and_any_order(tmp_path: Path) -> None:
    series = tmp_path / "series"
    series.mkdir()
    (series / "1").write_bytes(b"one")
    (series / "2").write_bytes(b"two")
    first = hash_of(series)
    assert first == hash_of(series)
    (series / "1").write_bytes(b"two")
    (series / "2").write_bytes(b"one")
    assert hash_of(series) != first


def test_outputs_are_listed_relative_to_the_folder_without_the_report_itself(tmp_path: Path) -> None:
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "axial.png").write_bytes(b"png")
    (tmp_path / "lesions.csv").write_bytes(b"csv")
    (tmp_path / "report.json").write_bytes(b"{}")
    entries = output_entries(tmp_path)
    assert [entry["path"] for entry in entries] == ["lesions.csv", "views/axial.png"]
    assert entries[0]["sha256"] == hashlib.sha256(b"csv").hexdigest()


@pytest.mark.skipif(sys.platform == "win32", reason="Python cannot ask Windows")
def test_peak_memory_grows_by_what_is_really_used() -> None:
    script = (
        "import numpy; from LesionLensLib.report import peak_memory_mb; before = peak_memory_mb();"
        "block = numpy.ones(100 * 2**20, numpy.uint8); print(peak_memory_mb() - before)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(100, abs=5)
