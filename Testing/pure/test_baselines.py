"""The rows without a network: plain SUVmax, fused PET and MR, radiomics with selection inside the folds."""

import sys
from pathlib import Path

import numpy as np
import pytest
from sarcoma_cases import RADIUS_MM, make_patient, write_patients
from scipy import ndimage

from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.outcome.roc import auc
from LesionLensLib.training.outcome.baselines import train_baseline
from LesionLensLib.training.outcome.parts import plan_folds, plan_parts
from LesionLensLib.training.outcome.predictions import read_predictions
from LesionLensLib.training.sarcoma.baselines import make_baseline
from LesionLensLib.training.sarcoma.fusion import fuse
from LesionLensLib.training.sarcoma.radiomics import Radiomics
from LesionLensLib.training.sarcoma.radiomics_features import case_features, mirp_features
from LesionLensLib.training.sarcoma.suv_max import SuvMax, suv_max


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[ManifestRow]:
    return write_patients(tmp_path_factory.mktemp("sarcoma"), 8)


def test_suvmax_is_the_hottest_voxel_inside_the_contour(rows: list[ManifestRow]) -> None:
    patient = make_patient(1, 1)
    expected = patient["PET"].array[patient["lesion"].array > 0].max()
    assert suv_max(rows[1]) == pytest.approx(float(expected))
    assert suv_max(rows[1]) > 9 > suv_max(rows[0])


def test_a_hotter_tumour_gets_a_higher_probability_and_suvmax_itself_ranks() -> None:
    uptake = np.array([[2.0], [3.0], [4.0], [6.0], [5.0], [8.0], [10.0], [20.0]])
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    said = SuvMax().fit_predict(uptake, labels, np.array([[1.0], [5.5], [40.0]]), 0)
    assert said.scores.tolist() == [1.0, 5.5, 40.0]
    assert said.probabilities[0] < 0.2
    assert said.probabilities[1] == pytest.approx(0.5, abs=0.15)
    assert said.probabilities[2] > 0.9


def test_the_outcome_of_a_held_out_patient_has_no_say_in_his_prediction(
    rows: list[ManifestRow], tmp_path: Path
) -> None:
    part = plan_parts(rows, plan_folds(rows, 2, 0))[0]
    turned = [
        ManifestRow(r.case, r.patient, r.split, "10"[int(r.label)], r.files) if r.case in part.test else r for r in rows
    ]
    for table, name in ((rows, "as-is"), (turned, "turned")):
        train_baseline(SuvMax, table, [part], tmp_path / name, 0)
    one, other = (read_predictions(tmp_path / name / "fold-0" / "predictions.csv") for name in ("as-is", "turned"))
    assert [p.probability for p in one] == [p.probability for p in other]
    assert [p.outcome for p in one] == [1 - p.outcome for p in other]


def ball(side: int = 64) -> np.ndarray:
    k, j, i = np.meshgrid(*(np.arange(side),) * 3, indexing="ij")
    return (k - 32) ** 2 + (j - 31) ** 2 + (i - 32) ** 2 <= 64


def rough(seed: int, mask: np.ndarray) -> np.ndarray:
    return 10 + ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 10, mask.shape), 1)


def correlation(one: np.ndarray, other: np.ndarray, mask: np.ndarray) -> float:
    return float(np.corrcoef(one[mask], other[mask])[0, 1])


def test_the_fused_image_shows_the_texture_of_both() -> None:
    pytest.importorskip("pywt")
    mask = ball()
    pet, mr = rough(0, mask), rough(1, mask)
    fused = fuse(pet, mr, mask)
    assert (fused[mask].min(), fused[mask].max()) == (0.0, 255.0)
    assert min(correlation(fused, image, mask) for image in (np.sqrt(pet), mr)) > 0.5
    assert correlation(fuse(pet, mr, mask, 0.0), np.sqrt(pet), mask) == pytest.approx(1.0)
    assert correlation(fuse(pet, mr, mask, 1.0), mr, mask) > 0.95
    assert not fused[0].any()


def test_where_the_mr_ends_beside_the_tumour_the_fused_image_does_not_change() -> None:
    pytest.importorskip("pywt")
    mask = ball()
    pet, mr = rough(0, mask), rough(1, mask)
    assert np.array_equal(fuse(pet, mr, mask), fuse(pet, np.where(mask, mr, 0.0), mask))


def test_an_empty_tumour_cannot_be_fused() -> None:
    pytest.importorskip("pywt")
    with pytest.raises(ValueError, match="no tumour"):
        fuse(np.ones((4, 4, 4)), np.ones((4, 4, 4)), np.zeros((4, 4, 4), bool))


def test_a_missing_library_is_named_with_what_to_install(
    rows: list[ManifestRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mirp", None)
    with pytest.raises(EnvironmentFault, match="MIRP, which is not installed") as caught:
        make_baseline("radiomics-pet").features(rows[:1])
    assert "lesionlens[radiomics]" in caught.value.remedy


def test_mirp_measures_the_made_up_tumour_as_it_was_made(rows: list[ManifestRow]) -> None:
    pytest.importorskip("mirp")
    patient = make_patient(0, 0)
    found = mirp_features(patient["PET"], patient["lesion"], "pet", ("morphology", "statistics"))
    assert found["morph_volume"] == pytest.approx(4 / 3 * np.pi * RADIUS_MM**3, rel=0.1)
    assert found["stat_mean"] == pytest.approx(patient["PET"].array[patient["lesion"].array > 0].mean(), rel=0.1)


def test_the_features_of_a_case_name_their_image_and_describe_shape_once(rows: list[ManifestRow]) -> None:
    pytest.importorskip("mirp")
    pytest.importorskip("pywt")
    names = list(case_features(rows[0], ("PET", "PET+MR_T1")))
    assert sum(name.endswith("morph_volume") for name in names) == 1
    assert {name.split()[0] for name in names if "ngt_" in name} == {"PET", "PET+MR_T1"}


def test_features_of_nothing_but_noise_predict_nothing() -> None:
    """Choosing the best of 200 noise features on all 42 patients would show an area near 0.9."""
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(42, 200)), np.array([0] * 26 + [1] * 16)
    features[:, 3], features[:5, 7] = 1.0, np.nan
    order = rng.permutation(42)
    scores = np.empty(42)
    for fold in range(3):
        out = order[fold::3]
        learned = np.setdiff1d(order, out)
        scores[out] = Radiomics(("PET",)).fit_predict(features[learned], labels[learned], features[out], 0).scores
    area = auc(labels, scores)
    assert area is not None
    assert 0.2 < area < 0.75


def test_one_telling_feature_is_found_among_many() -> None:
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(1)
    features, labels = rng.normal(size=(40, 60)), np.arange(40) % 2
    features[:, 17] += 3 * labels
    said = Radiomics(("PET",)).fit_predict(features[:30], labels[:30], features[30:], 0)
    assert auc(labels[30:], said.scores) == pytest.approx(1.0, abs=0.1)
    assert np.array_equal(np.argsort(said.scores), np.argsort(said.probabilities))
