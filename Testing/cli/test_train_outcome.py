"""`lesionlens train` with an outcome recipe, as a user calls it, on made-up patients."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml
from sarcoma_cases import write_patients, write_table

from LesionLensLib.cli.main import main
from LesionLensLib.training.outcome.predictions import read_predictions

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = REPOSITORY / "Resources" / "Recipes" / "chmfl-sarcoma.yaml"
QUICK = {
    "options": {"levels": 2, "base_width": 2, "hidden": [8]}, "spacing_mm": 4.0, "field_mm": [32, 32, 48],
    "pretrain_steps": 1, "steps": 2, "views": 1, "rows": {"chmfl": {}, "cfl": {"network": "cfl"}},
    "baselines": ["suvmax", "radiomics-pet"], "folds": 2, "bootstrap": 200,
}  # fmt: skip


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """The command on eight patients with the shipped recipe made small."""
    table = write_table(write_patients(tmp_path / "cases"), tmp_path / "cases.csv")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({**yaml.safe_load(SHIPPED.read_text()), **QUICK}))
    output = str(tmp_path / "model")
    return ["train", str(recipe), "--data", str(table), "--output", output, "--device", "cpu"]


def test_an_outcome_recipe_trains_rows_on_the_same_folds_and_leaves_a_model(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mirp", None)
    assert main(arguments) == 0
    complaint = capsys.readouterr().err
    assert "row radiomics-pet is left out" in complaint
    assert "MIRP" in complaint
    model = tmp_path / "model"
    report = json.loads((model / "training-report.json").read_text())
    assert set(report["figures"]) == {"chmfl", "cfl", "suvmax"}
    assert len(report["folds"]["folds"]) == 2
    assert json.loads((model / "card.json").read_text())["network"]["variant"] == "chmfl"
    said = (model / "predictions.csv").read_text()
    assert said.splitlines()[0].startswith("case,patient,fold,outcome,probability,score,tumour_dice")
    assert len(said.splitlines()) == 9
    before = (model / "weights.safetensors").read_bytes()
    assert main(arguments) == 2, "a finished run is not overwritten without --resume"
    assert main([*arguments, "--resume"]) == 0
    assert (model / "weights.safetensors").read_bytes() == before


def test_folds_rows_and_parts_can_be_chosen(arguments: list[str], tmp_path: Path) -> None:
    assert main([*arguments, "--folds", "3", "--row", "cfl", "--part", "fold-2", "--part", "public"]) == 0
    trained = sorted(str(p.relative_to(tmp_path / "model")) for p in tmp_path.rglob("member-0.safetensors"))
    assert trained == ["rows/cfl/fold-2/member-0.safetensors", "rows/cfl/public/member-0.safetensors"]


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        (["--row", "vnet"], "has no row vnet"),
        (["--part", "fold-9"], "no part fold-9"),
        (["--folds", "5"], "cannot be dealt into 5 folds"),
    ],
)
def test_what_the_recipe_does_not_have_is_refused_in_words(
    arguments: list[str], capsys: pytest.CaptureFixture[str], extra: list[str], complaint: str
) -> None:
    assert main([*arguments, *extra]) == 2
    assert complaint in capsys.readouterr().err


def test_a_segmentation_recipe_has_no_folds(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = REPOSITORY / "Resources" / "Recipes" / "rsanet-ms.yaml"
    assert main(["train", str(recipe), *arguments[2:], "--folds", "3"]) == 2
    assert "Only an outcome recipe has folds" in capsys.readouterr().err


def test_the_networks_name_sends_a_recipe_to_the_brain_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import brain_lesion_cases

    rows = brain_lesion_cases.write_patients(tmp_path / "brains", 10, 2)
    table = brain_lesion_cases.write_table(rows, tmp_path / "cohort.csv")
    recipe = tmp_path / "recipe.yaml"
    settings = yaml.safe_load(SHIPPED.with_name("attention-resnet-brainmet.yaml").read_text())
    small = {"options": {"depth": 10, "base_width": 4, "stages": 1, "groups": 2}, "spacing_mm": 2.5, "epochs": 1}
    kept = {name: settings["rows"][name] for name in ("Res", "Res + SA + BiT")}
    recipe.write_text(yaml.safe_dump({**settings, **small, "views": 1, "bootstrap": 100, "rows": kept}))
    call = ["train", str(recipe), "--data", str(table), "--output", str(tmp_path / "model"), "--device", "cpu"]
    assert main([*call, "--folds", "2", "--row", "Res + SA + BiT", "--row", "volume"]) == 0
    assert not (tmp_path / "model" / "card.json").exists(), "the best row is not known yet"
    assert main([*call, "--folds", "2", "--resume"]) == 0
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert (card["network"]["name"], card["evidence"]) == ("resnet3d", "simulated")
    assert (card["ensemble"]["folds"], card["field_mm"]) == (2, [48, 48, 48])
    assert "simulated outcome" in (tmp_path / "model" / "tables.md").read_text()
    capsys.readouterr()
    assert main([*call, "--folds", "3", "--resume"]) == 2
    assert "other cases or settings" in capsys.readouterr().err
    files = rows[-1].files
    given = [part for role in ("T1c", "FLAIR") for part in ("--input", f"{role}={files[role]}")]
    given += ["--mask", f"lesion={files['lesion']}", "--mask", f"brain={files['brain']}"]
    model, result = str(tmp_path / "model"), tmp_path / "result"
    assert main(["predict", "--model", model, *given, "--output", str(result), "--device", "cpu"]) == 0
    report = json.loads((result / "report.json").read_text())
    assert report["result"]["note"] == "demonstration weights, simulated outcome"
    said = {p.case: p.score for p in read_predictions(tmp_path / "model" / "test-predictions.csv")}
    folds = report["result"]["lesions"][0]["logits"]["folds"]
    assert sum(folds) / len(folds) == pytest.approx(said[rows[-1].case], abs=0.02)
