"""docs/own-model.md: from BraTS-METS files to a trained model whose answers are the same wherever they come from."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from own_model_page import PAGE, Walk, blocks, install

from LesionLensLib.card_essentials import essentials
from LesionLensLib.catalogue import load_typicality, read_card, verify_weights
from LesionLensLib.cli.main import main
from LesionLensLib.inference.network import NETWORKS
from LesionLensLib.inference.outcome_network import load_outcome_networks
from LesionLensLib.manifest import ManifestRow, read_manifest
from LesionLensLib.outcome_card import SIMULATED_NOTE
from LesionLensLib.training.local_failure.cases import read_cases
from LesionLensLib.training.local_failure.kind import case_input
from LesionLensLib.training.local_failure.recipe import LocalFailureRecipe
from LesionLensLib.training.outcome.predictions import read_predictions

PREDICTED = "BraTS-MET-00014-000_lesion1"
UNKNOWN = "BraTS-MET-00002-000_lesion2"


def rows_of(walk: Walk) -> dict[str, ManifestRow]:
    return {row.case: row for row in read_manifest(walk.folder / "cohort.csv")}


def report_of(walk: Walk, folder: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((walk.folder / folder / "report.json").read_text(encoding="utf-8"))
    return report


def test_every_block_runs_or_says_why_it_cannot() -> None:
    page, found = PAGE.read_text(encoding="utf-8"), blocks()
    assert page.count("```") == 2 * len(found)
    assert page.count("<!-- not run:") == sum(bool(block.reason) for block in found) == 2
    assert [block.file for block in found if block.file] == ["trial.yaml", "my_networks.py", "pyproject.toml"]
    assert {block.language for block in found if not (block.reason or block.file)} == {"sh", "python"}
    assert sum(block.language == "sh" for block in found) == 7


def test_the_manifest_has_the_lesions_with_their_outcomes_and_keeps_patients_together(own_model_walk: Walk) -> None:
    rows = rows_of(own_model_walk)
    expected = {f"{case}_lesion{number}": outcome for (case, number), outcome in own_model_walk.truth.items()}
    assert {case: row.label for case, row in rows.items()} == {**expected, UNKNOWN: ""}
    sides = {split: {row.patient for row in rows.values() if row.split == split} for split in ("train", "test")}
    assert not sides["train"] & sides["test"]
    assert {rows[case].label for case in rows if rows[case].split == "test"} == {"0", "1"}
    assert rows[PREDICTED].split == "test", "the page predicts a lesion that was put aside"


def test_the_trained_folder_is_a_whole_model_that_learned_from_patients_by_folds(own_model_walk: Walk) -> None:
    model = own_model_walk.folder / "my-model"
    card, report = read_card(model), json.loads((model / "training-report.json").read_text())
    assert verify_weights(card)
    assert (card.id, card.evidence, card.roles) == ("my-local-failure", "real-data", ("T1c", "FLAIR"))
    assert card.outcome is not None
    assert card.outcome.ensemble.folds == 3
    assert card.outcome.calibration is not None
    assert card.outcome.calibration.method == report["calibration"]["method"]
    reference = load_typicality(card)
    assert reference is not None
    rows = rows_of(own_model_walk)
    folds = [set(fold) for fold in report["folds"]["folds"]]
    trained = {row.patient for row in rows.values() if row.split == "train" and row.label}
    assert set.union(*folds) == trained
    assert sum(map(len, folds)) == len(trained)
    held_out = read_predictions(model / "predictions.csv")
    assert {one.case for one in held_out} == {c for c, row in rows.items() if row.split == "train" and row.label}
    assert all(one.patient in folds[int(one.fold)] for one in held_out)
    visits = {one.fold for one in held_out if one.patient == "BraTS-MET-00001"}
    assert len(visits) == 1, "both visits of a patient are held out together"


def test_the_card_page_tells_the_figures_and_is_what_the_panel_shows(own_model_walk: Walk) -> None:
    model = own_model_walk.folder / "my-model"
    figures = json.loads((model / "training-report.json").read_text())["figures"]["resnet3d"]
    told = essentials(read_card(model))
    rows = [row for row in rows_of(own_model_walk).values() if row.label and row.split == "train"]
    events = sum(row.label == "1" for row in rows)
    patients = len({row.patient for row in rows})
    assert f"{len(rows)} cases of {patients} patients, {events} of the cases with the event" in told
    assert "outcomes that the patients had, the event is local failure" in told
    for scope in ("validation", "test"):
        area = figures[scope]["auc"]
        assert f"**resnet3d, {scope}**" in told
        assert f"AUC (95 %) {area['value']:.2f} ({area['low']:.2f} to {area['high']:.2f})" in told
    shown = "better than" if (figures["test"]["auc_minus_volume"]["low"] or 0) > 0 else "not shown to be better than"
    assert f"On test it is **{shown}** volume" in told or f"On test it is {shown} volume" in told
    assert "simulated" not in told


def test_prediction_evaluation_cohort_and_explanation_say_the_same(own_model_walk: Walk) -> None:
    report = report_of(own_model_walk, "prediction")
    said = report["result"]["probability"]
    low, high = report["result"]["interval"]
    assert low < said < high
    with (own_model_walk.folder / "results" / "cohort.csv").open(newline="") as file:
        cohort = {row["case"]: row for row in csv.DictReader(file)}
    assert set(cohort) == set(rows_of(own_model_walk))
    assert {row["status"] for row in cohort.values()} == {"done"}
    assert float(cohort[PREDICTED]["probability"]) == pytest.approx(said, abs=1e-6)
    judged = {one.case: one for one in read_predictions(own_model_walk.folder / "figures" / "predictions.csv")}
    assert judged[PREDICTED].probability == pytest.approx(said, abs=1e-6)
    assert set(judged) == {case for case, row in rows_of(own_model_walk).items() if row.split == "test"}
    explanation = report_of(own_model_walk, "explanation")
    assert explanation["result"]["probability"] == pytest.approx(said, abs=1e-6)
    assert explanation["model"] == report["model"]
    assert explanation["result"]["validity"]["text"]
    tested = {one.case: one for one in read_predictions(own_model_walk.folder / "my-model" / "test-predictions.csv")}
    logits = report["result"]["lesions"][0]["logits"]["folds"]
    assert sum(logits) / 3 == pytest.approx(tested[PREDICTED].score, abs=0.02), "fp16 on disk"


def test_a_made_up_outcome_is_told_everywhere(own_model_walk: Walk, tmp_path: Path) -> None:
    """With other words in the card the finished training only writes its model again."""
    model = shutil.copytree(own_model_walk.folder / "my-model", tmp_path / "model")
    settings = yaml.safe_load((own_model_walk.folder / "trial.yaml").read_text())
    settings["card"]["evidence"] = "simulated"
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(settings))
    table = str(own_model_walk.folder / "cohort.csv")
    call = ["train", str(tmp_path / "recipe.yaml"), "--data", table, "--output", str(model), "--resume"]
    weights = (model / "weights.safetensors").read_bytes()
    assert main(call) == 0
    assert (model / "weights.safetensors").read_bytes() == weights
    assert read_card(model).evidence == "simulated"
    assert SIMULATED_NOTE in (model / "tables.md").read_text()
    assert SIMULATED_NOTE not in (own_model_walk.folder / "my-model" / "tables.md").read_text()
    page = (model / "CARD.md").read_text()
    assert f"**{SIMULATED_NOTE.capitalize()}.**" in page
    assert "On every real patient" in page
    mine = page.partition("\n")[2] + "My own words.\n"
    (model / "CARD.md").write_text(mine)
    assert main(call) == 0
    assert (model / "CARD.md").read_text() == mine


@pytest.fixture
def installed(own_model_walk: Walk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages with the one of the page, importable."""
    for block in blocks():
        if block.file.endswith(".py"):
            (tmp_path / block.file).write_text(block.code)
        elif block.file == "pyproject.toml":
            install(block.code, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "my_networks", raising=False)
    yield tmp_path
    __import__("sys").modules.pop("my_networks", None)


def test_a_network_of_an_installed_package_answers_as_it_does_by_itself(own_model_walk: Walk, installed: Path) -> None:
    card = read_card(own_model_walk.folder / "wrapped-model")
    network = load_outcome_networks(card).final[0]
    assert type(network).__module__ == "my_networks"
    recipe = LocalFailureRecipe.read(own_model_walk.folder / "trial.yaml")
    case = next(read_cases([rows_of(own_model_walk)[PREDICTED]], recipe, 0))
    with torch.inference_mode():
        logits = network(case_input(case))[0]
    result = report_of(own_model_walk, "wrapped-prediction")["result"]
    assert result["lesions"][0]["logits"]["final"] == pytest.approx(float(logits[1] - logits[0]), abs=1e-4)
    assert result["calibrated"], "folds.csv was taken"
    assert result["interval"] is None
    explained = report_of(own_model_walk, "wrapped-explanation")["result"]
    assert explained["probability"] == pytest.approx(result["probability"], abs=1e-6)
    assert "block 2" in explained["text"]


def predict_wrapped(walk: Walk, model: Path, output: Path) -> int:
    row = rows_of(walk)[PREDICTED]
    images = [part for role in ("T1c", "FLAIR") for part in ("--input", f"{role}={row.files[role]}")]
    mask = f"lesion={row.files['lesion']}"
    return main(["predict", "--model", str(model), *images, "--mask", mask, "--output", str(output)])


def test_without_its_package_a_wrapped_model_is_refused_in_words(
    own_model_walk: Walk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict_wrapped(own_model_walk, own_model_walk.folder / "wrapped-model", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "error: The model card names an unknown network: small-net." in said
    assert f"remedy: Known: {', '.join(sorted(NETWORKS))}; install the package" in said


def test_a_package_that_fails_is_named_and_cannot_take_the_place_of_our_networks(
    own_model_walk: Walk, installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (installed / "my_networks.py").write_text("raise ImportError('no such thing')\n")
    points = next(installed.glob("*.dist-info")) / "entry_points.txt"
    points.write_text(points.read_text() + "resnet3d = my_networks:SmallNet\n")
    assert predict_wrapped(own_model_walk, own_model_walk.folder / "wrapped-model", installed / "out") == 2
    assert "The network small-net cannot be loaded from my_networks:SmallNet: no such thing." in capsys.readouterr().err
    assert predict_wrapped(own_model_walk, own_model_walk.folder / "my-model", installed / "ours") == 0


def test_the_page_tells_nothing_that_is_not_there() -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGE.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if "://" not in link and not (PAGE.parent / link).exists()] == []
