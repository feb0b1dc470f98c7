"""The files of simulated patients, the truth about their lesions, and data sets of them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from metastasis_brain import OBLIQUE, made_up_soil

from LesionLensLib.errors import UserError
from LesionLensLib.images import read_volume
from LesionLensLib.inference.brain_lesion_input import lesion_box, score_brain
from LesionLensLib.inference.field_of_view import FieldOfView
from LesionLensLib.manifest import read_manifest
from LesionLensLib.training.metastases.cohort import CohortRecipe, reachable, simulate_cohort, write_cohort
from LesionLensLib.training.metastases.limits import MetastasisRange
from LesionLensLib.training.metastases.mechanism import bayes_auc
from LesionLensLib.training.metastases.records import PART_LABELS, read_truth, write_patient
from LesionLensLib.training.metastases.simulate import SimulatedPatient, simulate_patient
from LesionLensLib.training.metastases.soil_sources import choose_tested

SMALL = MetastasisRange(diameter_mm=(7.0, 12.0), lesions=(0.5, 0.5))
RECIPE = CohortRecipe(lesions=3, seed=3, painted_share=0.0, limits=SMALL)


@pytest.fixture(scope="module")
def patient() -> SimulatedPatient:
    return simulate_patient(made_up_soil(OBLIQUE), 4, replace(SMALL, lesions=(0.0, 1.0)))


def test_a_patient_is_written_with_masks_and_truth_of_every_lesion(patient: SimulatedPatient, tmp_path: Path) -> None:
    records = write_patient(patient, tmp_path, "sim0007")
    assert [record["case"] for record in records] == ["sim0007_lesion0", "sim0007_lesion1"]
    t1c = read_volume(tmp_path / "T1c.nii.gz")
    assert t1c.grid.is_close(OBLIQUE)
    assert t1c.array == pytest.approx(patient.channels[0], abs=0.5)
    for record, lesion in zip(records, patient.lesions, strict=True):
        masks = lesion.masks.on(OBLIQUE)
        assert np.array_equal(read_volume(Path(record["lesion"])).array > 0, masks.lesion)
        parts = read_volume(Path(record["parts"])).array
        for name, value in PART_LABELS.items():
            assert np.array_equal(parts == value, masks.parts[name]), name
        assert t1c.array[masks.rim].mean() > 1100
        assert record["label"] == str(lesion.outcome)


def test_the_truth_explains_the_probability_and_names_no_folder(patient: SimulatedPatient, tmp_path: Path) -> None:
    record = write_patient(patient, tmp_path, "sim0007")[0]
    text = Path(record["truth"]).read_text()
    assert str(tmp_path) not in text
    truth = read_truth(Path(record["truth"]))
    assert truth["evidence"] == "simulated"
    assert truth["probability"] == pytest.approx(1 / (1 + np.exp(-truth["logit"])))
    assert truth["logit"] == pytest.approx(sum(truth["logit_terms"].values()) + truth["mechanism"]["intercept"])
    lesion = read_volume(Path(record["lesion"]))
    assert truth["measures"]["volume_ml"] == pytest.approx(lesion.array.sum() * lesion.grid.voxel_ml)


def test_what_is_no_truth_is_refused(tmp_path: Path) -> None:
    for content in (None, '{"schema": "another"}', "[1]"):
        if content:
            (tmp_path / "truth.json").write_text(content)
        with pytest.raises(UserError, match="not the truth"):
            read_truth(tmp_path / "truth.json")


def test_the_network_sees_the_written_lesion_bright_on_t1c_where_its_mask_is(
    patient: SimulatedPatient, tmp_path: Path
) -> None:
    record = write_patient(patient, tmp_path, "sim0007")[0]
    volumes = {role: read_volume(Path(record[role])) for role in ("T1c", "FLAIR")}
    brain, lesion = (read_volume(Path(record[name])) for name in ("brain", "lesion"))
    scores = score_brain(volumes, ("T1c", "FLAIR"), "T1c", brain, 1.0, "brain-scores")
    box = lesion_box(scores, FieldOfView((32.0, 32.0, 32.0), 1.0, 16), lesion)
    assert box.lesion is not None
    rim = patient.lesions[0].masks.on(box.grid).rim & (box.lesion > 0)
    t1c = box.images[0]
    assert t1c[rim].mean() > t1c[box.brain & (box.lesion == 0)].mean() + 0.5
    assert box.lesion[13:19, 13:19, 13:19].any(), "the lesion is in the middle"


def test_a_data_set_comes_again_from_its_seed_and_its_manifest_can_be_read(tmp_path: Path) -> None:
    soils = [made_up_soil(OBLIQUE), replace(made_up_soil(OBLIQUE), patient="another")]
    first = list(simulate_cohort(soils, RECIPE))
    assert sum(len(patient.lesions) for patient in first) in (3, 4)
    again = list(simulate_cohort(soils, RECIPE))
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.channels, other.channels)
        assert [x.outcome for x in one.lesions] == [x.outcome for x in other.lesions]
    different = next(simulate_cohort(soils, replace(RECIPE, seed=2)))
    assert not np.array_equal(different.channels, first[0].channels)
    summary = write_cohort(first, tmp_path, ["another"])
    rows = read_manifest(tmp_path / "cohort.csv")
    lesions = [(patient, lesion) for patient in first for lesion in patient.lesions]
    assert [int(row.label) for row in rows] == [lesion.outcome for _, lesion in lesions]
    assert [row.split for row in rows] == ["test" if p.ground.patient == "another" else "train" for p, _ in lesions]
    assert all(row.has("T1c", "FLAIR", "brain", "lesion", "parts", "truth") for row in rows)
    assert json.loads((tmp_path / "cohort.json").read_text()) == summary
    tested = [lesion.probability for patient, lesion in lesions if patient.ground.patient == "another"]
    assert summary["test"]["bayes_auc"] == pytest.approx(bayes_auc(tested))
    assert summary["test"]["lesions"] + summary["train"]["lesions"] == len(lesions)


def test_the_test_takes_whole_anatomies_and_spares_those_with_contrast_agent() -> None:
    soil = made_up_soil(OBLIQUE)
    soils = [replace(soil, kind="real", patient=name) for name in ("a", "b", "c", "c")]
    soils += [replace(soil, kind="real", patient="d", contrast_agent=True), replace(soil, patient="phantom1")]
    assert choose_tested(soils) == ("b", "phantom1")
    assert choose_tested(soils, ["c"]) == ("c",)
    with pytest.raises(UserError, match="no anatomy called e"):
        choose_tested(soils, ["e"])


def test_what_is_reachable_counts_patients_and_lesions() -> None:
    measures = {"volume_ml": 1.0, "necrosis_share": 0.1, "oedema_heterogeneity": 0.2}
    truths = [
        {"patient": f"p{n // 2}", "probability": p, "outcome": n % 2, "measures": {**measures, "volume_ml": 1.0 + n}}
        for n, p in enumerate((0.1, 0.4, 0.8, 0.9))
    ]
    summary = reachable(truths)
    assert (summary["patients"], summary["lesions"], summary["observed_event_rate"]) == (2, 4, 0.5)
    assert summary["expected_event_rate"] == pytest.approx(0.55)
    assert summary["auc_of"]["volume_ml"] == pytest.approx(summary["bayes_auc"])
    assert summary["auc_of"]["necrosis_share"] == pytest.approx(0.5)
