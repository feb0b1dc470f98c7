"""`lesionlens train` with a recipe of the task regression, from the manifest to a model that estimates loads."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from LesionLensLib.catalogue import find_card, verify_weights
from LesionLensLib.cli.main import main
from LesionLensLib.images import read_volume
from LesionLensLib.inference.hemispheres import brain_centre_ras, side_loads
from LesionLensLib.phantom import write_head_phantom

REPOSITORY = Path(__file__).resolve().parents[2]
QUICK = {
    "field": [16, 16, 16], "spacing_mm": 3.5, "options": {"widths": [2, 4], "hidden": 4}, "steps": 2, "batch": 2,
    "warm_up_steps": 1, "cell_blocks": [0], "judged_plantings": 1, "judged": 3, "described": 4, "bootstrap": 100,
    "held_out_patients": ["patient1"], "held_out_outlines": ["shape4"],
    "soils": {"plantings": 1, "paintings": 1, "phantoms": 0},
}  # fmt: skip


def keep_the_middle(folder: Path) -> None:
    """Cut the images to the middle of the head: planting looks at every voxel many times."""
    for path in folder.glob("*.nii.gz"):
        image = sitk.ReadImage(str(path))
        size = np.array(image.GetSize())
        lower = (size * 0.36).astype(int)
        sitk.WriteImage(sitk.RegionOfInterest(image, (size - 2 * lower).tolist(), lower.tolist()), str(path))


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two labelled phantoms, one of them held out, and their lesions as shapes of two patients more."""
    lines = ["case,patient,split,T1,T2,FLAIR,brain,lesion"]
    for seed in (1, 2):
        write_head_phantom(tmp_path / f"head{seed}", seed, small=True)
        keep_the_middle(tmp_path / f"head{seed}")
    for seed in (1, 2):
        files = ",".join(f"head{seed}/{name}.nii.gz" for name in ("T1", "T2", "FLAIR", "brain", "lesion"))
        lines.append(f"head{seed},patient{seed},train,{files}")
    lines += [f"shape{seed},shape{seed},train,,,,,head{seed - 2}/lesion.nii.gz" for seed in (3, 4)]
    path = tmp_path / "cases.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_train_leaves_a_model_of_loads_judged_on_a_patient_held_out_and_goes_on_after_a_kill(
    manifest: Path, tmp_path: Path
) -> None:
    shipped = yaml.safe_load((REPOSITORY / "Resources" / "Recipes" / "vgg-lesion-load.yaml").read_text())
    recipe, model = tmp_path / "recipe.yaml", tmp_path / "model"
    recipe.write_text(yaml.safe_dump({**shipped, **QUICK}))
    arguments = ["train", str(recipe), "--data", str(manifest), "--output", str(model), "--device", "cpu"]
    assert main(arguments) == 0
    card = find_card(str(model))
    assert (card.task, card.roles, card.evidence, card.labels) == ("regression", ("T1", "FLAIR"), "simulated", ())
    assert card.regression is not None
    assert [output.name for output in card.regression.outputs] == ["total", "left", "right"]
    assert verify_weights(card)
    report = json.loads((model / "training-report.json").read_text())
    assert report["training_set"]["real"] == {
        "patients": ["patient2"], "plantings": 1, "planted_ml": report["training_set"]["real"]["planted_ml"]
    }  # fmt: skip
    assert report["held_out_planted"]["patients"] == ["patient1"]
    with (model / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["set"] for row in rows] == ["training"] * 4 + ["held-out"] * 3 + ["real-label"]
    brain, lesion = (read_volume(tmp_path / "head1" / f"{name}.nii.gz") for name in ("brain", "lesion"))
    truth = side_loads(lesion, float(brain_centre_ras(brain)[0]))
    assert float(rows[-1]["true_left_ml"]) == pytest.approx(truth.left_ml, abs=0.05)
    assert float(rows[-1]["true_total_ml"]) == pytest.approx(truth.total_ml, abs=0.05)
    assert {path.name for path in model.iterdir()} >= {"metrics.csv", "loss.png", "weights.safetensors"}
    made = {path: path.stat().st_mtime_ns for path in (model / "soils").rglob("*.npz")}
    weights = (model / "weights.safetensors").read_bytes()
    assert len(made) == 2
    assert main([*arguments, "--resume"]) == 0
    assert {path: path.stat().st_mtime_ns for path in (model / "soils").rglob("*.npz")} == made
    assert (model / "weights.safetensors").read_bytes() == weights
    damaged = next(iter(made))
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 255
    damaged.write_bytes(content)
    assert main([*arguments, "--resume"]) == 0
    assert damaged.read_bytes() != bytes(content), "made again"
    assert (model / "weights.safetensors").read_bytes() == weights


def test_a_recipe_of_loads_has_no_folds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = REPOSITORY / "Resources" / "Recipes" / "vgg-lesion-load.yaml"
    manifest = tmp_path / "cases.csv"
    manifest.write_text("case,patient\na,a\n")
    arguments = ["train", str(recipe), "--data", str(manifest), "--output", str(tmp_path / "model"), "--folds", "3"]
    assert main(arguments) == 2
    assert "Only an outcome recipe has folds" in capsys.readouterr().err
