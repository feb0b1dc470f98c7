"""Model cards are checked field by field, and ids never lead out of the models folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_model import tiny_card

from LesionLensLib.catalogue import find_card, list_cards, load_typicality, models_root, read_card, verify_weights
from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.model_card import ModelCard
from LesionLensLib.outcome.calibration import Calibration
from LesionLensLib.outcome_card import Ensemble, SideFile
from LesionLensLib.scene.terminology import find_term

OUTCOME: dict[str, Any] = {
    "outcome": {"event": "lung metastasis", "classes": ["none", "lung metastasis"]},
    "field_mm": [112, 112, 144],
    "ensemble": {"members": 2, "folds": 6, "views": 8},
    "calibration": Calibration("platt", 0.5, -0.1, (0.02, 0.0, 0.01), 42).to_dict(),
    "typicality": {"file": "typicality.json", "sha256": "a" * 64},
}


def write_card(folder: Path, card: dict[str, Any]) -> Path:
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "Models"
    monkeypatch.setenv("LESIONLENS_MODELS", str(folder))
    write_card(folder / "tiny-ms", tiny_card())
    return folder


def test_a_shipped_model_is_found_by_id_with_its_channels_in_order(root: Path) -> None:
    card = find_card("tiny-ms")
    assert isinstance(card, ModelCard)
    assert card.roles == ("T1", "T2", "FLAIR")
    assert card.spacing_mm == (2.0, 2.0, 2.0)
    assert card.labels[0].color == (0.9, 0.3, 0.2)
    assert card.channel("T1").tissue_order == ("csf", "grey_matter", "white_matter")
    assert card.folder == (root / "tiny-ms").resolve()


def test_the_list_holds_every_folder_with_a_card_and_nothing_else(root: Path) -> None:
    (root / "notes").mkdir()
    write_card(root / "a-model", tiny_card() | {"id": "a-model"})
    assert [card.id for card in list_cards()] == ["a-model", "tiny-ms"]


def test_without_the_variable_the_models_lie_beside_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LESIONLENS_MODELS", raising=False)
    assert models_root().parts[-2:] == ("Resources", "Models")


def test_a_users_own_model_folder_is_taken_by_its_path(root: Path, tmp_path: Path) -> None:
    own = write_card(tmp_path / "my models" / "own", tiny_card() | {"id": "own"})
    assert find_card(str(own)).id == "own"


@pytest.mark.parametrize("name", ["nothing", "../tiny-ms", "tiny-ms/../tiny-ms", "", ".", "a\0b", "x" * 5000])
def test_a_name_that_is_neither_id_nor_model_folder_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        find_card(name)
    assert "tiny-ms" in caught.value.remedy


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"schema": 99}, "schema"),
        ({"id": "../evil"}, "id"),
        ({"channel_def": []}, "channel_def"),
        ({"channel_def": [{"role": "T1"}, {"role": "T1"}]}, "channel_def"),
        ({"reference_role": "PET"}, "reference_role"),
        ({"network": "rsanet"}, "network"),
        ({"threshold": 1.5}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"spacing_mm": [1, 1]}, "spacing_mm"),
        ({"spacing_mm": [1, 1, 0]}, "spacing_mm"),
        ({"evidence": "magic"}, "evidence"),
        ({"labels": [{"value": 0, "id": "a", "name": "b"}]}, "label"),
        ({"weights": {"file": "../../etc/passwd", "sha256": "0" * 64, "bytes": 1}}, "file"),
        ({"weights": {"file": "/etc/x.safetensors", "sha256": "0" * 64, "bytes": 1}}, "file"),
        ({"weights": {"file": "w.pkl", "sha256": "0" * 64, "bytes": 1}}, "file"),
        ({"weights": {"file": "w.safetensors", "sha256": "abc", "bytes": 1}}, "sha256"),
        ({"expects_skull_stripped": 1}, "expects_skull_stripped"),
    ],
)
def test_a_wrong_card_is_refused_with_the_name_of_the_field(tmp_path: Path, change: dict[str, Any], field: str) -> None:
    folder = write_card(tmp_path / "model", tiny_card() | change)
    with pytest.raises(UserError, match=field):
        read_card(folder)


def test_the_card_of_an_outcome_model_says_what_is_predicted_and_how(tmp_path: Path) -> None:
    outcome = read_card(write_card(tmp_path / "model", tiny_card() | OUTCOME)).outcome
    assert outcome is not None
    assert (outcome.event, outcome.classes) == ("lung metastasis", ("none", "lung metastasis"))
    assert (outcome.field_mm, outcome.ensemble) == ((112.0, 112.0, 144.0), Ensemble(2, 6, 8))
    assert outcome.calibration is not None
    assert outcome.calibration.apply(1.0) == pytest.approx(1 / (1 + 2.718281828**-0.4))
    assert outcome.typicality == SideFile("typicality.json", "a" * 64)
    assert read_card(write_card(tmp_path / "other", tiny_card())).outcome is None
    least = {name: OUTCOME[name] for name in ("outcome", "field_mm")}
    plain = read_card(write_card(tmp_path / "least", tiny_card() | least)).outcome
    assert plain is not None
    assert (plain.ensemble, plain.calibration, plain.typicality) == (Ensemble(1, 0, 1), None, None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"outcome": "metastasis"}, "outcome is not an object"),
        ({"outcome": {"event": "", "classes": ["a", "b"]}}, "outcome.event"),
        ({"outcome": {"event": "a", "classes": ["a"]}}, "outcome.classes"),
        ({"outcome": {"event": "a", "classes": ["a", 1]}}, "outcome.classes"),
        ({"field_mm": [112, 112]}, "field_mm"),
        ({"field_mm": [112, 112, 0]}, "field_mm"),
        ({"field_mm": None}, "field_mm"),
        ({"ensemble": {"folds": -1}}, "ensemble.folds"),
        ({"ensemble": {"members": 0}}, "ensemble.members"),
        ({"ensemble": {"views": 9}}, "ensemble.views"),
        ({"ensemble": {"member": 1}}, "ensemble has an unknown field member"),
        ({"calibration": {"method": "magic"}}, "calibration .*method"),
        ({"calibration": OUTCOME["calibration"] | {"slope": -1}}, "calibration .*slope"),
        ({"typicality": {"file": "../typicality.json", "sha256": "a" * 64}}, "typicality.file"),
        ({"typicality": {"file": "t.json", "sha256": "A" * 64}}, "typicality.sha256"),
    ],
)
def test_a_wrong_outcome_card_is_refused_with_the_name_of_the_field(
    tmp_path: Path, change: dict[str, Any], field: str
) -> None:
    folder = write_card(tmp_path / "model", tiny_card() | OUTCOME | change)
    with pytest.raises(UserError, match=field):
        read_card(folder)


def test_fields_of_an_outcome_without_an_outcome_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ensemble is given, but no outcome"):
        read_card(write_card(tmp_path / "model", tiny_card() | {"ensemble": {"members": 1}}))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\ufffe"])
def test_a_card_that_is_no_json_object_is_a_user_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "card.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError):
        read_card(tmp_path)


def test_fields_of_later_versions_are_kept_instead_of_refused(tmp_path: Path) -> None:
    card = read_card(write_card(tmp_path / "model", tiny_card() | {"network_data_format": {"inputs": {}}}))
    assert card.extra == {"network_data_format": {"inputs": {}}}


def test_weights_match_only_when_every_byte_does(tiny_model: Path, tmp_path: Path) -> None:
    assert verify_weights(read_card(tiny_model))
    copy = tmp_path / "copy"
    copy.mkdir()
    content = bytearray((tiny_model / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "weights.safetensors").write_bytes(content)
    (copy / "card.json").write_bytes((tiny_model / "card.json").read_bytes())
    assert not verify_weights(read_card(copy))
    (copy / "weights.safetensors").unlink()
    assert not verify_weights(read_card(copy))


def test_a_model_matches_only_when_what_it_knows_of_its_training_cases_does_too(
    tiny_outcome_model: Path, tmp_path: Path
) -> None:
    assert verify_weights(read_card(tiny_outcome_model))
    reference = load_typicality(read_card(tiny_outcome_model))
    assert reference is not None
    assert reference.cases == 12
    for path in tiny_outcome_model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "typicality.json").write_text((tiny_outcome_model / "typicality.json").read_text().replace("0", "1", 1))
    assert not verify_weights(read_card(tmp_path))
    with pytest.raises(EnvironmentFault, match="hash differs"):
        load_typicality(read_card(tmp_path))

@pytest.mark.parametrize("card", list_cards(), ids=lambda card: card.id)
def test_the_terms_of_every_shipped_model_are_in_the_shipped_terminology(card: ModelCard) -> None:
    """Slicer shows codes without meaning for a term that is in no file it has loaded."""
    for label in card.labels:
        _, _, kind, _, _, region, _ = label.terminology.split("~")
        assert find_term(kind.split("^")[1], region.split("^")[1]).entry == label.terminology
