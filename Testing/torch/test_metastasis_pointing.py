"""Which voxels decide the fate of a simulated metastasis, and how the maps of all methods lie to them."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt

from LesionLensLib.explain.question import Question
from LesionLensLib.explain.readout import RiskReadout
from LesionLensLib.explain.validity.pointing import Pointing
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, write_volume
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.networks.resnet3d import ResNet3d
from LesionLensLib.training.metastases import pointing
from LesionLensLib.training.metastases.pointing import centred_blob, judge_lesion, main, makers, table, true_region

BOX = Grid((16, 16, 16), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


def parts_on(grid: Grid) -> Volume:
    """Return a core in a rim in oedema, each a box."""
    labels = np.zeros(grid.shape, np.uint8)
    labels[1:6, 1:10, 1:12] = 3
    labels[2:5, 3:7, 4:8] = 2
    labels[3, 4:6, 5:7] = 1
    return Volume(labels, grid)


def test_the_mechanism_looks_at_the_lesion_and_at_the_oedema_near_its_edge(oblique_grid: Grid) -> None:
    parts = parts_on(oblique_grid)
    found = true_region(parts, oblique_grid)
    lesion = np.isin(parts.array, (1, 2))
    away = distance_transform_edt(~lesion, sampling=oblique_grid.spacing_mm[::-1])
    expected = lesion | ((parts.array == 3) & (away > 1) & (away <= 6))
    assert np.array_equal(found, expected)
    assert lesion.sum() < found.sum() < (parts.array > 0).sum()


def test_the_truth_lies_on_the_grid_of_the_question(oblique_grid: Grid) -> None:
    parts = parts_on(oblique_grid)
    inner = oblique_grid.cropped((2, 2, 1), (10, 8, 5))
    assert np.array_equal(true_region(parts, inner), true_region(parts, oblique_grid)[1:6, 2:10, 2:12])


def test_the_middle_of_the_box_is_where_a_blob_points_without_a_network() -> None:
    blob = centred_blob((8, 12, 16))
    assert np.unravel_index(blob.argmax(), blob.shape) == (4, 6, 8)


def test_every_method_is_judged_for_a_lesion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = ResNet3d(3, 2, 10, 8, "self", stages=2, groups=4).eval()
    asked = Question((network,), torch.randn(1, 3, 16, 16, 16), BOX, ("T1c", "FLAIR", "lesion"), RiskReadout())
    asked.image[:, 2] = 0
    asked.image[0, 2, 2:5, 3:7, 4:8] = 1
    write_volume(parts_on(BOX), tmp_path / "parts.nii.gz")
    monkeypatch.setattr(pointing, "_begin", lambda row, card: SimpleNamespace(question=asked))
    monkeypatch.setattr(pointing, "score_sigma", lambda card, readout: 1.0)
    row = ManifestRow("one", "one", files={"parts": tmp_path / "parts.nii.gz"})
    methods = {**makers(), "nothing": lambda question, sigma: np.zeros(BOX.shape, np.float32)}
    judged = judge_lesion(row, SimpleNamespace(), methods)
    assert list(judged) == list(makers())
    outline = judged["no network: the outline"]
    assert outline.hit == 1
    assert outline.energy_share == 1
    assert outline.chance == pytest.approx(true_region(parts_on(BOX), BOX).mean())


def test_the_means_stand_in_a_table_with_intervals_over_patients() -> None:
    good, bad = Pointing(1.0, 0.0, 0.5, 0.25, 0.1), Pointing(0.0, 3.0, 0.5, 0.75, 0.1)
    text = table({"A": [("one", good), ("one", bad)], "B": [("one", good), ("two", bad)]})
    head, _, one_patient, two_patients = text.splitlines()
    assert head.startswith("| map | lesions (patients) | pointing accuracy | peak to truth, mm |")
    # Both lesions are of one patient: whichever patients are drawn, the mean is the same.
    assert one_patient.startswith("| A | 2 (1) | 0.50 (0.50 to 0.50) | 1.5 (1.5 to 1.5) | 0.50 (0.50 to 0.50) |")
    assert two_patients.startswith("| B | 2 (2) | 0.50 (0.00 to 1.00) | 1.5 (0.0 to 3.0) | 0.50 (0.50 to 0.50) |")


def test_test_lesions_are_taken_evenly_from_the_whole_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["case,patient,split,label"]
    lines += [f"c{n},p{n},{'train' if n < 3 else 'test'},0" for n in range(12)]
    (tmp_path / "cohort.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(pointing, "find_card", lambda name: SimpleNamespace(id=name))
    found = Pointing(1.0, 0.0, 0.5, 0.25, 0.1)
    monkeypatch.setattr(pointing, "judge_lesion", lambda row, card, methods: {"A": found})
    assert main([str(tmp_path / "cohort.csv"), str(tmp_path / "out"), "--cases", "3"]) == 0
    with (tmp_path / "out" / "pointing.csv").open() as file:
        assert [row["case"] for row in csv.DictReader(file)] == ["c3", "c7", "c11"]
    assert "| A | 3 (3) | 1.00 (1.00 to 1.00) |" in (tmp_path / "out" / "pointing.md").read_text()


def test_a_missing_cohort_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.csv"), str(tmp_path / "out")]) == 2
    assert "remedy:" in capsys.readouterr().err
