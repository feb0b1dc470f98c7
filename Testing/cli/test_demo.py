"""`make demo`: what is segmented, predicted and explained, what is said about it, and what is left out."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from predict_files import report_of
from tiny_outcome_model import changed_model

from LesionLensLib import phantom
from LesionLensLib.cli import demo
from LesionLensLib.images import read_volume

LEFT_OUT = "The outcome is left out: the weights of chmfl-sarcoma are not part of this copy."
# What a second run of the same steps may leave out.
CHEAP = {"predict": (), "explain": ("--no-checks", "--surface=none")}
EXPLAINS = "What that answer rests on: how much it changes without each cube of the images."


@pytest.fixture
def models(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue with the tiny network under the name of the shipped one, and no outcome model."""
    root = tmp_path / "models"
    shutil.copytree(tiny_model, root / "rsanet-ms")
    card = json.loads((root / "rsanet-ms" / "card.json").read_text())
    (root / "rsanet-ms" / "card.json").write_text(json.dumps({**card, "id": "rsanet-ms"}))
    monkeypatch.setenv("LESIONLENS_MODELS", str(root))
    return root


@pytest.fixture
def data(phantom_files: dict[str, Path], tmp_path: Path) -> Path:
    """A data folder whose real head is the small phantom."""
    folder = tmp_path / "data" / "ms" / "test_public" / "lj_p07"
    folder.mkdir(parents=True)
    for role in demo.ROLES:
        shutil.copy(phantom_files[role], folder / f"{role}.nii.gz")
    return tmp_path / "data"


@pytest.fixture
def scenes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Calls of the command line run without drawing; the list tells which asked for a scene."""
    asked: list[str] = []

    def call(arguments: list[str]) -> int:
        asked.extend([arguments[0]] * arguments.count("--scene"))
        return command_line([*(word for word in arguments if word != "--scene"), "--device", "cpu"])

    command_line = demo.lesionlens
    monkeypatch.setattr(demo, "lesionlens", call)
    return asked


def run(data: Path, output: Path, capsys: Any) -> list[str]:
    """Run the demonstration and return the lines it prints."""
    assert demo.main(["--data", str(data), "--output", str(output)]) == 0
    return str(capsys.readouterr().out).splitlines()


def add_real_tumours(data: Path, paths: dict[str, Path]) -> None:
    """Put two cases into the public test; the first by name lacks its tumour and cannot be used."""
    for name in ("STS_001", "STS_002"):
        folder = data / "sarcoma_petct" / "test_public" / name
        folder.mkdir(parents=True)
        for role, path in paths.items():
            if role != "lesion" or name == "STS_002":
                shutil.copy(path, folder / f"{'tumour' if role == 'lesion' else role}.nii.gz")


def test_without_the_outcome_model_its_steps_are_left_out_and_said_in_one_line(
    models: Path, data: Path, tmp_path: Path, capsys: Any, scenes: list[str]
) -> None:
    lines = run(data, tmp_path / "demo", capsys)
    assert lines[0] == "Real MRI of case lj_p07."
    assert lines[-1] == LEFT_OUT
    assert (tmp_path / "demo" / "segment" / "report.json").is_file()
    assert not (tmp_path / "demo" / "predict").exists()
    assert not (tmp_path / "demo" / "explain").exists()
    assert scenes == ["segment"]


def test_a_real_tumour_is_predicted_and_explained_after_the_segmentation_and_a_second_demo_replaces_the_first(
    models: Path, data: Path, tiny_outcome_model: Path, pet_ct_files: dict[str, Path], tmp_path: Path, capsys: Any,
    scenes: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    changed_model(tiny_outcome_model, models / "chmfl-sarcoma", id="chmfl-sarcoma")
    add_real_tumours(data, pet_ct_files)
    lines = run(data, tmp_path / "demo", capsys)
    story = lines.index("Real FDG-PET and CT of case STS_002, its tumour outlined by people.")
    assert lines[0] == "Real MRI of case lj_p07."
    predicted, explained = (n for n, line in enumerate(lines) if line.split()[:1] == ["probability"])
    assert 0 < story < predicted < lines.index(EXPLAINS) < explained
    for step in ("segment", "predict", "explain"):
        path = tmp_path / "demo" / step / "report.json"
        assert path.is_file()
        assert f"report.json {path}" in [" ".join(line.split()) for line in lines]
    report = report_of(tmp_path / "demo" / "predict")
    assert report["model"]["id"] == "chmfl-sarcoma"
    mask = read_volume(pet_ct_files["lesion"])
    assert report["result"]["given_volume_ml"] == pytest.approx(mask.array.sum() * mask.grid.voxel_ml, rel=1e-3)
    explanation = report_of(tmp_path / "demo" / "explain")
    assert explanation["model"]["id"] == "chmfl-sarcoma"
    assert explanation["settings"]["size_mm"] == demo.CUBE_MM
    # A prediction averages over mirrored copies as well, an explanation over the networks alone.
    assert explanation["result"]["probability"] == pytest.approx(report["result"]["probability"], abs=0.02)
    assert explanation["result"]["validity"]["random_weights_correlation"] is not None
    assert scenes == ["segment", "predict", "explain"]
    path = tmp_path / "demo" / "predict" / "report.json"
    path.write_text(json.dumps({**report, "result": {}}))
    monkeypatch.setattr(demo, "lesionlens", lambda words, call=demo.lesionlens: call([*words, *CHEAP[words[0]]]))
    assert demo.predict_and_explain(data, tmp_path / "demo") == 0
    assert report_of(path.parent)["result"] == report["result"]


def test_without_real_tumours_the_simulated_thigh_is_predicted_and_called_simulated(
    models: Path, data: Path, tiny_outcome_model: Path, tmp_path: Path, capsys: Any, scenes: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    changed_model(tiny_outcome_model, models / "chmfl-sarcoma", id="chmfl-sarcoma")
    small = functools.partial(phantom.write_thigh_phantom, small=True)
    monkeypatch.setattr(phantom, "write_thigh_phantom", small)
    lines = run(data, tmp_path / "demo", capsys)
    assert "A simulated thigh with a sarcoma, made on this computer." in lines
    assert EXPLAINS in lines
    mask = read_volume(tmp_path / "demo" / "phantom-thigh" / "lesion.nii.gz")
    result = report_of(tmp_path / "demo" / "predict")["result"]
    assert result["given_volume_ml"] == pytest.approx(mask.array.sum() * mask.grid.voxel_ml, rel=1e-3)
    # The tiny network looks at 32 x 40 x 48 mm and was made from tumours of half that; the images have no fault.
    findings = report_of(tmp_path / "demo" / "predict")["findings"]
    assert {finding["code"] for finding in findings} == {"atypical", "beyond-field-of-view"}


def test_a_step_that_fails_ends_the_demonstration_with_its_exit_code(
    models: Path, data: Path, tmp_path: Path, capsys: Any
) -> None:
    (models / "rsanet-ms" / "weights.safetensors").write_bytes(b"damaged")
    assert demo.main(["--data", str(data), "--output", str(tmp_path / "demo")]) == 3
    assert "sarcoma" not in capsys.readouterr().out
