"""Whatever is wrong with an own cohort or recipe is said before anything is trained: every line of the page's table."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from brats_mets_tree import ROOT_NAME
from own_model_page import PAGE, Walk

from LesionLensLib.cli.main import main
from LesionLensLib.images import read_volume, write_volume

Rows = list[dict[str, str]]
FILES = ("T1c", "FLAIR", "T1", "T2", "lesion")


class Bench:
    """A copy of the page's manifest and recipe that a test can spoil, and the commands that read them."""

    def __init__(self, walk: Walk, folder: Path) -> None:
        self.walk, self.folder = walk, folder
        with (walk.folder / "cohort.csv").open(newline="") as file:
            self.rows: Rows = list(csv.DictReader(file))
        for row in self.rows:
            row.update({role: str(walk.folder / row[role]) for role in FILES})
        self.recipe: dict[str, Any] = yaml.safe_load((walk.folder / "trial.yaml").read_text())

    def train(self, *options: str) -> int:
        """Train with what the rows and the recipe say now."""
        table, recipe = self.folder / "cohort.csv", self.folder / "recipe.yaml"
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)
        recipe.write_text(yaml.safe_dump(self.recipe))
        call = ["train", str(recipe), "--data", str(table), "--output", str(self.folder / "model"), *options]
        return main([*call, "--device", "cpu", "--progress", "none"])

    def outcomes(self, text: str) -> int:
        """Make the manifest with this table of outcomes."""
        table = self.folder / "outcomes.csv"
        table.write_text(text)
        call = ["manifest", "brats", str(self.walk.folder / ROOT_NAME), "--output", str(self.folder / "new.csv")]
        return main([*call, "--outcomes", str(table)])

    def row(self, case: str) -> dict[str, str]:
        """Return the line of a case."""
        return next(row for row in self.rows if row["case"] == case)


def word_as_outcome(bench: Bench) -> int:
    return bench.outcomes("case,lesion,label\nBraTS-MET-00002-000,1,failed\n")


def other_names(bench: Bench) -> int:
    return bench.outcomes("case,label\nBraTS-MET-2,1\n")


def case_twice(bench: Bench) -> int:
    bench.rows.append(dict(bench.rows[0]))
    return bench.train()


def no_patient(bench: Bench) -> int:
    bench.rows[0]["patient"] = ""
    return bench.train()


def missing_channel(bench: Bench) -> int:
    for row in bench.rows:
        del row["FLAIR"]
    return bench.train()


def one_outcome(bench: Bench) -> int:
    for row in bench.rows:
        row["label"] = "0"
    return bench.train()


def too_few(bench: Bench) -> int:
    kept = {"BraTS-MET-00002-000_lesion1", "BraTS-MET-00004-000_lesion1"}
    bench.rows = [row for row in bench.rows if row["label"] == "0" or row["case"] in kept]
    return bench.train()


def number_as_text(bench: Bench) -> int:
    bench.recipe["learning_rate"] = "1e-3"
    return bench.train()


def no_evidence(bench: Bench) -> int:
    del bench.recipe["card"]["evidence"]
    return bench.train()


def whole_head(bench: Bench) -> int:
    row = bench.row("BraTS-MET-00003-000_lesion1")
    image = read_volume(row["T1c"])
    path = bench.folder / "head.nii.gz"
    write_volume(image.with_array(image.array + 1), path)
    row["T1c"] = str(path)
    return bench.train()


SPOILED: tuple[Callable[[Bench], int], ...] = (
    word_as_outcome, other_names, case_twice, no_patient, missing_channel, one_outcome, too_few, number_as_text,
    no_evidence, whole_head,
)  # fmt: skip


def told_on_the_page() -> list[str]:
    table = PAGE.read_text(encoding="utf-8").partition("## When something is wrong")[2].partition("\n## ")[0]
    return [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")][1:]


@pytest.fixture
def bench(own_model_walk: Walk, tmp_path: Path) -> Bench:
    return Bench(own_model_walk, tmp_path)


@pytest.mark.parametrize(("number", "spoil"), list(enumerate(SPOILED)), ids=[spoil.__name__ for spoil in SPOILED])
def test_the_page_tells_the_message_as_it_is(
    bench: Bench, capsys: pytest.CaptureFixture[str], number: int, spoil: Callable[[Bench], int]
) -> None:
    messages = told_on_the_page()
    assert len(messages) == len(SPOILED), "every line has its test"
    assert spoil(bench) == 2
    said = capsys.readouterr().err
    pattern = "^error: " + ".*".join(re.escape(part) for part in messages[number].split("…"))
    assert re.search(pattern, said, re.M), said
    assert re.search("^remedy: .+", said, re.M)
    assert "Traceback" not in said
    assert not (bench.folder / "model" / "card.json").exists()
    assert not (bench.folder / "new.csv").exists()


@pytest.mark.parametrize(
    ("change", "complaint", "remedy"),
    [
        ({"label": "2"}, "is '2', not an outcome", "Write 1 where"),
        ({"label": "0.5"}, "is '0.5', not an outcome", "Write 1 where"),
        ({"FLAIR": "gone.nii.gz"}, "does not exist, column FLAIR of case", "Correct the path"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_case(
    bench: Bench, capsys: pytest.CaptureFixture[str], change: dict[str, str], complaint: str, remedy: str
) -> None:
    row = next(row for row in bench.rows if row["label"])
    row.update(change)
    assert bench.train() == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert row["case"] in said
    assert f"remedy: {remedy}" in said


@pytest.mark.parametrize(
    ("change", "complaint", "remedy"),
    [
        ({"network": "my-net"}, "The recipe's network is 'my-net', which cannot be trained here.", "Use resnet3d for"),
        ({"options": {"depth": 11}}, "a resnet3d that cannot be built: depth must be one of", "Correct its options."),
        ({"roles": ["FLAIR", "T1c"]}, "has the channels T1c, FLAIR, the network FLAIR, T1c.", "Name the same"),
        ({"card": {}}, "The card in the recipe is wrong: channel_def is not a list", "Correct it below card:"),
        ({"epoch": 3}, "The recipe has no setting called epoch.", "Use one of: "),
        ({"shipped": "SA"}, "The recipe's shipped is 'SA'.", "Use one of"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_before_an_image_is_read(
    bench: Bench, capsys: pytest.CaptureFixture[str], change: dict[str, Any], complaint: str, remedy: str
) -> None:
    bench.recipe.update(change)
    assert bench.train() == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert f"remedy: {remedy}" in said
    assert not (bench.folder / "model").exists()


@pytest.mark.parametrize("missing", ["title", "id", "version", "reference_role"])
def test_a_card_that_lacks_a_field_is_named_by_it(
    bench: Bench, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    del bench.recipe["card"][missing]
    assert bench.train() == 2
    assert f"error: The card in the recipe is wrong: {missing} is missing or not text." in capsys.readouterr().err


def test_a_table_from_a_spreadsheet_with_a_mark_and_decimals_is_taken(bench: Bench) -> None:
    from LesionLensLib.manifest import read_manifest

    path = bench.folder / "excel.csv"
    path.write_text("case,patient,label\nA,p,1.0\nB,q,\n", encoding="utf-8-sig")
    assert [(row.case, row.label) for row in read_manifest(path)] == [("A", "1"), ("B", "")]


def test_labelled_cases_that_cannot_be_used_are_told_and_two_folds_leave_a_model_without_calibration(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    from LesionLensLib.catalogue import read_card

    bench.row("BraTS-MET-00003-000_lesion1")["FLAIR"] = ""
    bench.recipe["epochs"] = 1
    assert bench.train("--folds", "2") == 0
    said = capsys.readouterr().err
    lost = "Cases left out because they lack an image or the lesion mask: 1, BraTS-MET-00003-000_lesion1."
    assert f"warning: {lost}" in said
    assert "warning: The model is not calibrated: that takes three folds." in said
    card = read_card(bench.folder / "model")
    assert card.outcome is not None
    assert card.outcome.calibration is None
    assert "**Its probabilities are not calibrated**" in (bench.folder / "model" / "CARD.md").read_text()
