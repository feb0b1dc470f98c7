"""`lesionlens evaluate` and `lesionlens train` as a user calls them, on the phantom."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
import yaml

from LesionLensLib.catalogue import load_weights, read_card
from LesionLensLib.cli.main import main
from LesionLensLib.phantom import write_head_phantom

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A table with one labelled phantom for testing and one for training."""
    lines = ["case,patient,split,T1,T2,FLAIR,brain,lesion"]
    for seed, split in ((1, "train"), (2, "test")):
        write_head_phantom(tmp_path / split, seed, small=True)
        files = ",".join(f"{split}/{name}.nii.gz" for name in ("T1", "T2", "FLAIR", "brain", "lesion"))
        lines.append(f"head{seed},patient{seed},{split},{files}")
    path = tmp_path / "cases.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_evaluate_writes_metrics_with_intervals_beside_the_baseline(
    manifest: Path, tiny_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "metrics"
    arguments = ["evaluate", "--model", str(tiny_model), "--data", str(manifest), "--output", str(output)]
    assert main([*arguments, "--bootstrap", "100", "--device", "cpu"]) == 0
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["split"] == "test"
    assert metrics["patients"] == 1
    assert [case["case"] for case in metrics["cases"]] == ["head2"]
    for who in ("network", "flair_threshold"):
        pooled = metrics[who]["voxel_dice"]
        assert 0 <= pooled["low"] <= pooled["value"] <= pooled["high"] <= 1
        assert pooled["patients"] == 1
    assert metrics["flair_threshold"]["voxel_dice"]["value"] > 5 * metrics["network"]["voxel_dice"]["value"]
    assert metrics["cases"][0]["true_volume_ml"] > 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (["--split", "nobody"], "no labelled case in the split"),
        (["--bootstrap", "3"], "Fewer than 100"),
        (["--data", "missing.csv"], "cannot be read"),
    ],
)
def test_evaluate_refuses_in_words(
    manifest: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: list[str],
    complaint: str,
) -> None:  # fmt: skip
    output = tmp_path / "metrics"
    arguments = ["evaluate", "--model", str(tiny_model), "--data", str(manifest), "--output", str(output)]
    assert main([*arguments, *change]) == 2
    assert complaint in capsys.readouterr().err
    assert not output.exists()


def keep_the_middle(folder: Path) -> None:
    """Cut the images to the middle of the head: a training looks at every voxel dozens of times."""
    for path in folder.glob("*.nii.gz"):
        image = sitk.ReadImage(str(path))
        size = np.array(image.GetSize())
        lower = (size * 0.22).astype(int)
        sitk.WriteImage(sitk.RegionOfInterest(image, (size - 2 * lower).tolist(), lower.tolist()), str(path))


@pytest.fixture
def training_table(manifest: Path, tmp_path: Path) -> Path:
    """The table with the lesions of two more phantoms as shapes, and one brain of which only T1 is known."""
    lines = manifest.read_text().splitlines()
    for seed in (3, 4):
        write_head_phantom(tmp_path / f"shape{seed}", seed, small=True)
        lines.append(f"shape{seed},shape{seed},train,,,,,shape{seed}/lesion.nii.gz")
    for folder in ("train", "test", "shape3", "shape4"):
        keep_the_middle(tmp_path / folder)
    lines.append("anatomy,anatomy,train,shape3/T1.nii.gz,,,shape3/brain.nii.gz,")
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


RECIPE = REPOSITORY / "Resources" / "Recipes" / "rsanet-ms-first.yaml"
QUICK = {
    "base_width": 8, "steps": 3, "final_steps": 1, "warm_up_steps": 1, "labelled_from_step": 2, "brain_steps": 2,
    "crops_per_volume": 1, "crop": [64, 64, 64], "final_crops_per_volume": 1, "final_crop": [64, 64, 64],
    "planted_per_brain": 1, "phantom_volumes": 0, "phantom_heads": 0, "held_out_outlines": ["shape4"],
}  # fmt: skip


def write_recipe(path: Path, **changes: object) -> Path:
    record = yaml.safe_load(RECIPE.read_text())
    path.write_text(yaml.safe_dump({**record, **QUICK, **changes}))
    return path


def test_train_leaves_a_model_that_segments_and_a_report_of_what_it_learned_from(
    training_table: Path, tmp_path: Path
) -> None:
    model, recipe = tmp_path / "model", write_recipe(tmp_path / "recipe.yaml")
    arguments = ["train", str(recipe), "--data", str(training_table), "--output", str(model), "--device", "cpu"]
    assert main(arguments) == 0
    report = json.loads((model / "training-report.json").read_text())
    assert report["steps"] == 4
    assert report["training_set"]["real_labelled"] == ["head1"]
    assert report["training_set"]["painted_anatomy"] == ["anatomy"]
    assert report["training_set"]["planted_volumes"] == 2
    assert report["labelled_patients_before_training_on_them"]["step"] == 2
    planted = report["validation"]["whole_volume"]["planted"]["voxel_dice_at_threshold"]
    assert {"0.5", "0.7"} < set(planted)
    assert planted["0.5"]["patients"] == 1
    assert (model / "loss.png").stat().st_size > 1000
    head = model.parent / "test"
    images = [f"--input={role}={head / role}.nii.gz" for role in ("T1", "T2", "FLAIR")]
    assert main(["segment", "--model", str(model), *images, "--output", str(tmp_path / "out"), "--device", "cpu"]) == 0
    assert main(arguments) == 2, "a finished run is not overwritten without --resume"
    before = (model / "weights.safetensors").read_bytes()
    assert main([*arguments, "--resume"]) == 0
    assert (model / "weights.safetensors").read_bytes() == before


def test_a_second_training_starts_from_the_first_and_says_so(training_table: Path, tmp_path: Path) -> None:
    first = ["train", str(write_recipe(tmp_path / "first.yaml")), "--data", str(training_table), "--device", "cpu"]
    assert main([*first, "--output", str(tmp_path / "first")]) == 0
    second = {**QUICK, "start_from": "first", "steps": 1, "final_steps": 0, "labelled_from_step": 0,
              "learning_rate": 0.0, "weight_decay": 0.0, "card": {"threshold": 0.25}}  # fmt: skip
    recipe = tmp_path / "second.yaml"
    recipe.write_text(yaml.safe_dump(second))
    arguments = ["train", str(recipe), "--data", str(training_table), "--device", "cpu"]
    assert main([*arguments, "--output", str(tmp_path / "second")]) == 0
    before, after = (load_weights(read_card(tmp_path / name)) for name in ("first", "second"))
    assert all(torch.equal(before[name], after[name]) for name in before), "a rate of 0 changes nothing"
    old, new = (read_card(tmp_path / name) for name in ("first", "second"))
    assert (new.title, new.threshold) == (old.title, 0.25)
    report = json.loads((tmp_path / "second" / "training-report.json").read_text())
    assert report["started_from"]["weights_sha256"] == old.weights.sha256
    assert report["started_from"]["report"]["labelled_patients_before_training_on_them"]["step"] == 2


@pytest.mark.parametrize(
    ("start", "complaint"), [("nobody", "no trained model in nobody"), ("../first", "which is no folder name")]
)
def test_a_start_that_is_not_there_is_refused(
    training_table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], start: str, complaint: str
) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml", start_from=start)
    arguments = ["train", str(recipe), "--data", str(training_table), "--output", str(tmp_path / "model")]
    assert main([*arguments, "--device", "cpu"]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_a_start_with_a_damaged_report_is_refused_before_the_training(
    training_table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "training-report.json").write_text('{"steps": 4}')
    recipe = write_recipe(tmp_path / "recipe.yaml", start_from="first")
    arguments = ["train", str(recipe), "--data", str(training_table), "--output", str(tmp_path / "model")]
    assert main([*arguments, "--device", "cpu"]) == 2
    assert "training-report.json of first, the model to start from, cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_train_says_before_it_starts_that_nothing_would_be_left_to_validate_on(
    training_table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml", held_out_outlines=["somebody_else"])
    model = tmp_path / "model"
    assert main(["train", str(recipe), "--data", str(training_table), "--output", str(model), "--device", "cpu"]) == 2
    assert "holds out for validation" in capsys.readouterr().err
    assert not model.exists()


def test_train_refuses_a_table_without_labelled_brain(
    training_table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line for line in training_table.read_text().splitlines() if not line.startswith("head1")]
    training_table.write_text("\n".join(lines) + "\n")
    recipe, model = write_recipe(tmp_path / "recipe.yaml"), tmp_path / "model"
    assert main(["train", str(recipe), "--data", str(training_table), "--output", str(model), "--device", "cpu"]) == 2
    assert "no labelled case" in capsys.readouterr().err
