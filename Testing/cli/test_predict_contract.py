"""What `lesionlens predict` promises: files, fields, numbers that follow from the networks, the same bytes again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from pet_files import write_pet
from predict_files import SEGMENTATION, PredictFiles, make_case, report_of, result_of
from sarcoma_cases import GRID
from scipy import ndimage, special, stats
from tiny_outcome_model import FOLDS, changed_model

from LesionLensLib.catalogue import load_typicality, read_card
from LesionLensLib.cli.main import main
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.inference.outcome_network import load_outcome_networks
from LesionLensLib.jobs import PredictJob
from LesionLensLib.process import ChildRun
from LesionLensLib.report import hash_of


@pytest.fixture(scope="module")
def result(pet_ct_files: dict[str, Path], tiny_outcome_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of the good case, made once; tests only read it."""
    files = PredictFiles(make_case(), pet_ct_files, tmp_path_factory.mktemp("predict"), tiny_outcome_model)
    assert main(files.call().arguments()) == 0
    return files.call().output


def network_sees(volumes: dict[str, Volume], grid: Grid) -> torch.Tensor:
    """Return the input (1, 2, D, H, W) by scipy and the matrices alone: 10 SUV and 1000 HU are 1."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    ras = grid.ras_from_ijk(np.stack([i, j, k], axis=-1))
    channels = []
    for role, fill, high in (("PET", 0.0, 30.0), ("CT", -1000.0, 1000.0)):
        volume = volumes[role]
        # Voxels are no smaller than those of the network in this case, so that nothing is blurred.
        places = np.moveaxis(volume.grid.ijk_from_ras(ras)[..., ::-1], -1, 0)
        values = ndimage.map_coordinates(volume.array.astype(float), places, order=1, mode="constant", cval=fill)
        low = 0.0 if role == "PET" else -1000.0
        channels.append(np.clip(values, low, high) / (10.0 if role == "PET" else 1000.0))
    return torch.tensor(np.stack(channels)[None], dtype=torch.float32)


def mean_logit(networks: tuple[torch.nn.Module, ...], x: torch.Tensor) -> float:
    logits = []
    with torch.inference_mode():
        for network in networks:
            for view in (x, x.flip(4)):
                outcome = network(view).outcome[0]
                logits.append(float(outcome[1] - outcome[0]))
    return float(np.mean(logits))


def test_the_folder_holds_exactly_the_promised_files(result: Path) -> None:
    assert sorted(path.name for path in result.iterdir()) == ["report.json", SEGMENTATION]


def test_probability_interval_and_class_follow_from_the_networks_of_the_folds(
    result: Path, predict_files: PredictFiles
) -> None:
    report = report_of(result)
    found = report["result"]
    grid = Grid.from_dict(report["settings"]["network_grids"][0])
    center = predict_files.volumes["lesion"]
    spots = np.argwhere(center.array)[:, ::-1].mean(0)
    assert grid.ras_from_ijk((np.array(grid.size) - 1) / 2) == pytest.approx(GRID.ras_from_ijk(spots), abs=1e-4)
    assert grid.size == (8, 10, 12)
    networks = load_outcome_networks(read_card(predict_files.model))
    x = network_sees(predict_files.volumes, grid)
    logits = np.array([mean_logit(fold, x) for fold in networks.folds])
    assert logits.std() > 0.1
    assert found["logits"]["folds"] == pytest.approx(logits, abs=2e-3)
    assert found["logits"]["final"] == pytest.approx(mean_logit(networks.final, x), abs=2e-3)
    slope, intercept, mean = 0.8, -0.3, logits.mean()
    spread = (FOLDS - 1) / FOLDS * np.sum((logits - mean) ** 2)
    variance = slope**2 * spread + 0.01 * mean**2 + 2 * 0.002 * mean + 0.04
    half = stats.t.ppf(0.975, FOLDS - 1) * np.sqrt(variance)
    center_logit = slope * mean + intercept
    assert found["probability"] == pytest.approx(special.expit(center_logit), abs=1e-3)
    ends = special.expit([center_logit - half, center_logit + half])
    assert found["interval"] == pytest.approx(ends, abs=1e-3)
    assert found["class"] == ("lung metastasis" if found["probability"] >= 0.5 else "no lung metastasis")
    assert (found["threshold"], found["calibrated"], found["event"]) == (0.5, True, "lung metastasis")
    assert f"{found['probability']:.2f} (95 % interval {found['interval'][0]:.2f}" in found["text"]


def test_the_outline_lies_on_the_native_grid_of_the_ct_and_has_the_reported_volume(
    result: Path, predict_files: PredictFiles
) -> None:
    outline = read_volume(result / SEGMENTATION)
    assert outline.grid.is_close(GRID)
    assert GRID.is_left_handed
    found = result_of(result)
    assert 0 < found["tumour_volume_ml"] == pytest.approx(outline.array.sum() * GRID.voxel_ml)
    box = Grid.from_dict(report_of(result)["settings"]["network_grids"][0])
    networks = load_outcome_networks(read_card(predict_files.model)).final
    x = network_sees(predict_files.volumes, box)
    with torch.inference_mode():
        maps = [n(x.flip(m)).mask.softmax(1)[:, 1:].flip(m)[0, 0] for n in networks for m in ((), (4,))]
    tumour = torch.stack(maps).mean(0).numpy()
    k, j, i = np.meshgrid(*(np.arange(n) for n in GRID.shape), indexing="ij")
    places = np.moveaxis(box.ijk_from_ras(GRID.ras_from_ijk(np.stack([i, j, k], axis=-1)))[..., ::-1], -1, 0)
    expected = ndimage.map_coordinates(tumour, places, order=1, mode="constant", cval=0.0) >= 0.5
    inside = np.all((places >= 0) & (places <= np.array(box.shape).reshape(3, 1, 1, 1) - 1), axis=0)
    assert np.mean((outline.array != 0)[inside] == expected[inside]) > 0.995
    assert found["given_volume_ml"] == pytest.approx(predict_files.volumes["lesion"].array.sum() * GRID.voxel_ml)


def test_the_report_says_what_was_done_with_what(result: Path, predict_files: PredictFiles) -> None:
    report = report_of(result)
    card = read_card(predict_files.model)
    assert report["model"] == {
        "id": "tiny-chmfl", "version": "0.0.1", "sha256": card.weights.sha256, "evidence": "untrained",
        "reference_role": "CT",
    }  # fmt: skip
    assert [entry["role"] for entry in report["inputs"]] == ["PET", "CT", "lesion"]
    for entry in report["inputs"]:
        assert entry["sha256"] == hash_of(predict_files.paths[entry["role"]])
    assert report["settings"]["ensemble"] == {"members": 2, "folds": 4, "views": 2}
    assert report["settings"]["lesion"] == "mask"
    assert report["ladder"] == ["whole field of view: done (plain float32)"]
    assert [entry["path"] for entry in report["outputs"]] == [SEGMENTATION]
    assert {"model", "read", "check", "network", "write"} <= set(report["timing"])
    text = (result / "report.json").read_text()
    assert str(predict_files.folder.parent) not in text
    assert str(predict_files.model.parent) not in text
    segmentation = sitk.ReadImage(str(result / SEGMENTATION))
    assert segmentation.GetMetaData("Segment0_ID") == "tumour"
    assert segmentation.GetMetaData("Segment0_Name") == "Tumour"


def test_the_same_input_gives_the_same_bytes_twice(result: Path, predict_files: PredictFiles) -> None:
    assert main(predict_files.call().arguments()) == 0
    assert (predict_files.call().output / SEGMENTATION).read_bytes() == (result / SEGMENTATION).read_bytes()
    assert result_of(predict_files.call().output) == result_of(result)


def test_typicality_is_judged_from_values_in_the_box_and_features_of_the_folds(
    result: Path, predict_files: PredictFiles
) -> None:
    found = result_of(result)["typicality"]
    assert 0 <= found["percentile"] <= 100
    assert "training cases" in found["text"]
    reference = load_typicality(read_card(predict_files.model))
    assert reference is not None
    kinds = [(check.kind, check.subject) for check in reference.checks]
    lesion = [("intensity", "PET in the lesion"), ("intensity", "CT in the lesion")]
    assert set(kinds) == {
        ("intensity", "PET"), ("intensity", "CT"), *lesion, ("size", "lesion"), ("features", "network")
    }  # fmt: skip
    assert len(next(check for check in reference.checks if check.kind == "features").references) == FOLDS


def test_a_bone_bright_ct_and_a_cold_pet_are_called_unlike_the_training_cases(predict_files: PredictFiles) -> None:
    ct = predict_files.volumes["CT"]
    path = predict_files.written("bright", ct.with_array((ct.array + 900).astype(np.float32)))
    assert main(predict_files.call().with_input("CT", path).arguments()) == 0
    report = report_of(predict_files.call().output)
    assert report["result"]["typicality"]["text"].startswith("Unlike the training cases")
    assert "of CT" in report["result"]["typicality"]["text"]
    assert "atypical" in [finding["code"] for finding in report["findings"]]


def test_a_point_gives_the_number_of_a_mask_with_that_centre(result: Path, predict_files: PredictFiles) -> None:
    given = result_of(result)
    spots = np.argwhere(predict_files.volumes["lesion"].array)[:, ::-1].mean(0)
    point = ",".join(f"{part:.6f}" for part in GRID.ras_from_ijk(spots))
    # A point whose first number is negative must not be taken for an option.
    for place in (("--center", point), (f"--center={point}",)):
        call = replace(predict_files.call(), place=place).plus("--overwrite")
        assert main(call.arguments()) == 0
        found = result_of(call.output)
        assert found["probability"] == pytest.approx(given["probability"], abs=1e-5)
        assert found["given_volume_ml"] is None
        assert "Not compared: " in found["typicality"]["text"]
        assert "the size of the lesion" in found["typicality"]["text"]


def test_a_negative_point_is_read_as_a_point(predict_files: PredictFiles, capsys: pytest.CaptureFixture[str]) -> None:
    call = replace(predict_files.call(), place=("--center", "-900,-1,5"))
    assert main(call.arguments()) == 2
    assert "The point -900, -1, 5 lies outside of CT" in capsys.readouterr().err


def test_a_pet_from_dicom_gives_the_answer_of_the_same_pet_in_suv(predict_files: PredictFiles) -> None:
    """70 kg and 370 MBq one half-life before: 1 SUV is 185e6 / 70e3 Bq/ml."""
    activity = 370e6 / 2 / 70e3
    pet = predict_files.volumes["PET"]
    raw = Volume(np.round(pet.array * activity).astype(np.int16), pet.grid)
    series = write_pet(raw, predict_files.folder / "pet", patient="Roe^Richard")
    as_file = predict_files.written("suv", raw.with_array((raw.array / activity).astype(np.float32)))
    answers = []
    for name, path in (("dicom", series), ("file", as_file)):
        call = predict_files.call(name).with_input("PET", path)
        assert main(call.arguments()) == 0
        answers.append(result_of(call.output))
    assert answers[0]["probability"] == pytest.approx(answers[1]["probability"], abs=1e-4)
    assert b"Roe" not in (predict_files.folder / "dicom" / "report.json").read_bytes()


def test_missing_tags_can_be_assumed_and_the_report_says_so(predict_files: PredictFiles) -> None:
    pet = predict_files.volumes["PET"]
    raw = Volume(np.round(pet.array * 370e6 / 2 / 70e3).astype(np.int16), pet.grid)
    whole = write_pet(raw, predict_files.folder / "whole")
    lacking = write_pet(raw, predict_files.folder / "lacking", PatientWeight=None)
    assert main(predict_files.call("known").with_input("PET", whole).arguments()) == 0
    call = predict_files.call("assumed").with_input("PET", lacking).plus("--assume-weight-kg", "70")
    assert main(call.arguments()) == 0
    report = report_of(call.output)
    assert report["result"]["probability"] == result_of(predict_files.folder / "known")["probability"]
    assert report["settings"]["assumed"]["weight_kg"] == 70.0
    assert "weight 70 kg" in next(f["text"] for f in report["findings"] if f["code"] == "suv-assumed")


def test_the_order_in_which_voxels_are_stored_changes_nothing(result: Path, predict_files: PredictFiles) -> None:
    """The CT in patient axes, the PET and the mask flipped: the same voxels at the same places."""
    usual = {role: resample(volume, volume.grid.closest_to_lps(), "nearest")
             for role, volume in predict_files.volumes.items()}  # fmt: skip
    assert not usual["CT"].grid.is_left_handed
    paths = {role: predict_files.written(f"usual-{role}", volume) for role, volume in usual.items()}
    call = predict_files.call().with_input("PET", paths["PET"]).with_input("CT", paths["CT"]).with_mask(paths["lesion"])
    assert main(call.arguments()) == 0
    assert result_of(call.output)["probability"] == pytest.approx(result_of(result)["probability"], abs=1e-4)
    outline, expected = read_volume(call.output / SEGMENTATION), read_volume(result / SEGMENTATION)
    assert outline.grid.is_close(usual["CT"].grid)
    assert np.mean(resample(outline, GRID, "nearest").array == expected.array) > 0.999


def test_a_given_transform_brings_a_moved_pet_back(result: Path, predict_files: PredictFiles) -> None:
    pet = predict_files.volumes["PET"]
    x, y, z = pet.grid.origin_lps
    moved = Grid(pet.grid.size, pet.grid.spacing_mm, (x + 30, y - 11, z + 5), pet.grid.direction_lps)
    call = predict_files.call().with_input("PET", predict_files.written("moved", Volume(pet.array, moved)))
    assert main(replace(call, output=predict_files.folder / "astray").arguments()) == 0
    transform = predict_files.folder / "pet.tfm"
    sitk.WriteTransform(sitk.TranslationTransform(3, (30.0, -11.0, 5.0)), str(transform))
    assert main(call.plus("--transform", f"PET={transform}").arguments()) == 0
    expected = result_of(result)["probability"]
    assert result_of(call.output)["probability"] == pytest.approx(expected, abs=1e-4)
    assert abs(result_of(predict_files.folder / "astray")["probability"] - expected) > 1e-3
    assert report_of(call.output)["settings"]["transforms"]["PET"]["source"] == "file"


def test_a_simulated_model_says_so_in_everything_it_makes(
    predict_files: PredictFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    model = changed_model(predict_files.model, predict_files.folder / "model", evidence="simulated")
    call = replace(predict_files.call(), model=model)
    assert main(call.arguments()) == 0
    note = "demonstration weights, simulated outcome"
    said = capsys.readouterr()
    assert note in said.err
    assert note in said.out
    report = report_of(call.output)
    assert report["result"]["note"] == note
    assert report["result"]["text"].lower().startswith(note)
    assert "simulated-outcome" in [finding["code"] for finding in report["findings"]]
    name = sitk.ReadImage(str(call.output / SEGMENTATION)).GetMetaData("Segment0_Name")
    assert name == f"Tumour ({note})"


def test_without_networks_of_folds_there_is_no_interval_and_the_final_ones_answer(
    predict_files: PredictFiles, result: Path
) -> None:
    ensemble = {"members": 2, "folds": 0, "views": 2}
    model = changed_model(
        predict_files.model, predict_files.folder / "model", ensemble=ensemble, typicality=None, calibration=None
    )
    call = replace(predict_files.call(), model=model)
    assert main(call.arguments()) == 0
    found = result_of(call.output)
    assert found["interval"] is None
    assert found["probability"] == pytest.approx(special.expit(result_of(result)["logits"]["final"]), abs=1e-5)
    assert found["calibrated"] is False
    assert found["typicality"]["percentile"] is None
    codes = [finding["code"] for finding in report_of(call.output)["findings"]]
    assert "no-interval" in codes


def test_the_child_process_of_the_panel_gives_the_same_numbers(result: Path, predict_files: PredictFiles) -> None:
    call = predict_files.call()
    job = PredictJob(
        inputs=tuple((role, str(path)) for role, path in call.inputs), output=str(call.output), model=str(call.model),
        device="cpu", lesion_mask=str(predict_files.paths["lesion"]),
    )  # fmt: skip
    finished: list[dict[str, Any]] = []
    failed: list[BaseException] = []
    fractions: list[float] = []
    run = ChildRun(job, lambda fraction, text: fractions.append(fraction), finished.append, failed.append)
    run.start()
    assert run.wait(300)
    assert failed == []
    assert finished[0]["report"]["result"] == result_of(result)
    assert fractions == sorted(fractions)
    assert len(fractions) >= 5
    assert (call.output / SEGMENTATION).read_bytes() == (result / SEGMENTATION).read_bytes()
