"""`lesionlens evaluate` and `lesionlens train` as a user calls them, on the phantom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from LesionLensLib.cli.main import main
from LesionLensLib.phantom import write_head_phantom


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


def test_train_refuses_a_table_without_shapes_to_plant(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("steps: 1\nbase_width: 8\n")
    code = main(["train", str(recipe), "--data", str(manifest), "--output", str(tmp_path / "model"), "--device", "cpu"])
    assert code == 2
    assert "no lesion mask to plant" in capsys.readouterr().err
