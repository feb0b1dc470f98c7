"""Foreign inputs are called unlike the training cases, by the right name; ordinary ones are left in peace."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from LesionLensLib.catalogue import find_card, load_typicality
from LesionLensLib.errors import UserError
from LesionLensLib.images import read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.outcome.case_description import QUANTILES, CaseDescription, describe_case
from LesionLensLib.outcome.typicality import Typicality, TypicalityReference
from LesionLensLib.phantom import HeadPhantom
from LesionLensLib.training.fit_gaussian import fit_gaussian, ledoit_wolf_shrinkage
from LesionLensLib.training.fit_typicality import fit_typicality

SHAPE = (18, 20, 22)
VOXEL_ML = 0.5
CASES = 40
Pair = tuple[np.ndarray, np.ndarray, np.ndarray]


def leg(rng: np.random.Generator, radius: float | None = None) -> Pair:
    """A limb in air with a tumour, as PET (SUV), CT (HU) and mask."""
    k, j, i = np.indices(SHAPE) - np.array(SHAPE).reshape(3, 1, 1, 1) / 2
    limb = np.hypot(j, i) < 9
    tumour = np.sqrt(k**2 + j**2 + i**2) < (rng.uniform(3, 6) if radius is None else radius)
    ct = np.where(limb, rng.normal(50, 5), -1000.0) + rng.normal(0, 12, SHAPE)
    uptake = rng.lognormal(1.3, 0.5)
    pet = np.where(limb, rng.lognormal(-0.7, 0.2), 0.02) * rng.lognormal(0, 0.2, SHAPE)
    pet = np.where(tumour, uptake * rng.lognormal(0, 0.3, SHAPE), pet)
    return pet, np.where(tumour, 40.0 + rng.normal(0, 12, SHAPE), ct), tumour


def described(pet: np.ndarray, ct: np.ndarray, tumour: np.ndarray | None, features: object = None) -> CaseDescription:
    return describe_case({"PET": pet, "CT": ct}, VOXEL_ML, tumour, features=features)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def reference() -> TypicalityReference:
    rng = np.random.default_rng(1)
    return fit_typicality([described(*leg(rng), rng.normal(2.0, 1.0, 50)) for _ in range(CASES)])


def judged(reference: TypicalityReference, pet: np.ndarray, ct: np.ndarray, tumour: np.ndarray) -> Typicality:
    return reference.judge(described(pet, ct, tumour, np.random.default_rng(0).normal(2.0, 1.0, 50)))


def test_new_patients_of_the_same_kind_are_mostly_typical(reference: TypicalityReference) -> None:
    rng = np.random.default_rng(2)
    found = [reference.judge(described(*leg(rng), rng.normal(2.0, 1.0, 50))) for _ in range(40)]
    assert sum(not one.unusual for one in found) >= 34
    typical = next(one for one in found if not one.unusual)
    assert typical.text == "Typical of the 40 training cases."
    assert typical.percentile is not None
    assert typical.percentile < 95


def ordinary(reference: TypicalityReference) -> Pair:
    """Return a new patient in whom nothing is unusual."""
    for seed in range(100, 110):
        images = leg(np.random.default_rng(seed))
        if not judged(reference, *images).unusual:
            return images
    raise AssertionError("no ordinary patient among ten")


def test_suv_left_in_becquerels_is_named_as_the_intensities_of_pet(reference: TypicalityReference) -> None:
    pet, ct, tumour = ordinary(reference)
    found = judged(reference, 5000 * pet, ct, tumour)
    assert (found.percentile, found.unusual, found.unlike) == (100.0, ("intensity",), True)
    assert found.text.startswith("Unlike the training cases: the intensities of PET")
    assert "training cases:" in found.text
    assert " of CT" not in found.text
    assert found.text.endswith("The probability may not hold for this patient.")


def test_a_ct_in_the_place_of_the_pet_is_named_so(reference: TypicalityReference) -> None:
    pet, ct, tumour = ordinary(reference)
    found = judged(reference, ct, ct, tumour)
    assert (found.unusual, found.unlike) == (("intensity",), True)
    assert "the intensities of PET" in found.text
    assert " of CT" not in found.text
    swapped = judged(reference, ct, pet, tumour)
    assert " of PET" in swapped.text
    assert " of CT" in swapped.text


def test_a_brain_is_unlike_every_leg(reference: TypicalityReference, phantom: HeadPhantom) -> None:
    t1 = resample(phantom.T1, phantom.FLAIR.grid).array
    images = {"PET": phantom.FLAIR.array, "CT": t1}
    case = describe_case(images, phantom.FLAIR.grid.voxel_ml, phantom.lesion.array, features=np.full(50, 2.0))
    found = reference.judge(case)
    assert (found.percentile, found.unlike) == (100.0, True)
    assert "intensity" in found.unusual


def test_a_giant_tumour_is_named_by_its_size_with_the_size_of_the_others(reference: TypicalityReference) -> None:
    pet, ct, tumour = ordinary(reference)
    case = described(pet, ct, tumour, np.full(50, 2.0))
    giant = CaseDescription(case.intensities, 60000.0, case.features)
    found = reference.judge(giant)
    assert (found.unusual, found.unlike) == (("size",), True)
    size = next(check for check in reference.checks if check.kind == "size")
    assert f"the size of the lesion (6e+04 ml; training cases: {size.lowest[0]:.3g} to" in found.text


@pytest.mark.parametrize("odd", [1, 4])
def test_odd_training_cases_do_not_hide_what_another_check_sees_beyond_all(odd: int) -> None:
    rng = np.random.default_rng(3)
    cases = [described(*leg(rng), rng.normal(2.0, 1.0, 50)) for _ in range(CASES)]
    for n in range(odd):
        pet, ct, tumour = leg(rng)
        metal = np.where(rng.random(SHAPE) < 0.1 * 2.0**n, 3000.0 * 2**n, ct)
        cases.append(described(pet, metal, tumour, rng.normal(2.0, 1.0, 50)))
    with_metal = fit_typicality(cases)
    pet, ct, tumour = leg(rng)
    assert not with_metal.judge(described(pet, ct, tumour, rng.normal(2.0, 1.0, 50))).unusual
    found = with_metal.judge(described(40.0 * pet, ct, tumour, rng.normal(2.0, 1.0, 50)))
    assert (found.percentile, found.unlike) == (100.0, True)
    assert found.text.startswith("Unlike the training cases: the intensities of PET")
    assert " CT" not in found.text


def test_what_only_the_network_sees_is_named_as_its_features(reference: TypicalityReference) -> None:
    case = described(*ordinary(reference), np.full(50, 12.0))
    found = reference.judge(case)
    assert (found.percentile, found.unusual, found.unlike) == (100.0, ("features",), True)
    assert "what the network sees" in found.text


def test_a_point_instead_of_a_mask_leaves_size_out_and_says_so(reference: TypicalityReference) -> None:
    pet, ct, _ = ordinary(reference)
    found = reference.judge(described(pet, ct, None, np.full(50, 2.0)))
    assert found.unusual == ()
    assert found.text.endswith("the intensities of CT in the lesion; the size of the lesion.")
    nothing = reference.judge(CaseDescription({}))
    assert (nothing.percentile, nothing.unlike) == (None, False)


def test_a_reference_survives_its_file_and_a_damaged_one_is_refused(reference: TypicalityReference) -> None:
    record = json.loads(json.dumps(reference.to_dict(), allow_nan=False))
    again = TypicalityReference.from_dict(record)
    assert again == reference
    broken = json.loads(json.dumps(record))
    broken["checks"][0]["references"][0]["scale"][0] = 0.0
    short = json.loads(json.dumps(record))
    short["checks"][0]["distances"].pop()
    for bad in (broken, short, {**record, "checks": []}, {"cases": 3}, [], {**record, "checks": [{"kind": "smell"}]}):
        with pytest.raises(UserError, match="typicality reference"):
            TypicalityReference.from_dict(bad)


def test_training_cases_that_differ_in_kind_or_are_too_few_are_refused(reference: TypicalityReference) -> None:
    cases = [described(*leg(np.random.default_rng(n))) for n in range(8)]
    with pytest.raises(UserError, match="8 training cases"):
        fit_typicality(cases[:7])
    with pytest.raises(UserError, match="different channels"):
        fit_typicality([*cases[:7], CaseDescription({"PET": cases[7].intensities["PET"]}, 3.0)])
    with pytest.raises(UserError, match="have no size"):
        fit_typicality([*cases[:7], CaseDescription(cases[7].intensities)])
    with pytest.raises(UserError, match="about 50 values"):
        reference.judge(described(*leg(np.random.default_rng(0)), np.ones(9)))
    with pytest.raises(UserError, match="1 feature vectors, there are 2"):
        reference.judge(described(*leg(np.random.default_rng(0)), np.ones((2, 50))))


def test_the_description_holds_quantiles_inside_and_the_volume_in_ml() -> None:
    image = np.arange(101.0).reshape(1, 1, 101)
    lesion = (image >= 90).astype(np.uint8)
    case = describe_case({"CT": image}, 0.2, lesion, inside=image <= 50)
    assert case.intensities["CT"] == pytest.approx([50 * q for q in QUANTILES])
    assert case.intensities["CT in the lesion"] == pytest.approx([90 + 10 * q for q in QUANTILES])
    assert case.volume_ml == pytest.approx(11 * 0.2)
    with pytest.raises(UserError, match="no voxel"):
        describe_case({"CT": image}, 0.2, inside=image > 200)


def test_the_distance_of_one_value_is_its_z_score() -> None:
    assert fit_gaussian([[0.0], [2.0], [4.0]]).distance([6.0]) == pytest.approx(4 / math.sqrt(8 / 3), rel=1e-5)


@pytest.mark.parametrize("length", [4, 60])
def test_the_distance_is_that_of_the_shrunk_covariance_written_out(length: int) -> None:
    rng = np.random.default_rng(length)
    values = rng.normal(size=(25, length)) @ rng.normal(size=(length, length)) + 3
    new = values[0] + rng.normal(size=length)
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    covariance = z.T @ z / 25
    average = np.trace(covariance) / length
    # Ledoit and Wolf by their definition: noise of the single outer products over distance from the round one.
    noise = sum(np.sum((np.outer(row, row) - covariance) ** 2) for row in z) / 25**2
    share = min(1.0, noise / np.sum((covariance - average * np.eye(length)) ** 2))
    assert ledoit_wolf_shrinkage(z) == pytest.approx(share)
    shrunk = (1 - share) * covariance + share * average * np.eye(length)
    standardized = (new - values.mean(axis=0)) / values.std(axis=0)
    expected = math.sqrt(standardized @ np.linalg.solve(shrunk, standardized))
    assert fit_gaussian(values).distance(new) == pytest.approx(expected, rel=1e-3)


def test_a_value_that_never_varied_does_not_make_every_new_case_foreign() -> None:
    rng = np.random.default_rng(0)
    values = np.column_stack([np.full(20, -1000.0), rng.normal(50, 10, 20)])
    fitted = fit_gaussian(values)
    assert fitted.scale[0] > 0.5
    assert fitted.distance([-1000.5, 50.0]) < fitted.distance([-900.0, 50.0])
    with pytest.raises(UserError, match="same values"):
        fit_gaussian(np.ones((5, 3)))


def test_features_of_cases_the_network_was_trained_on_do_not_make_new_patients_look_foreign() -> None:
    """Networks pull their own training cases together: only what the fold without a case saw of it is comparable."""
    rng = np.random.default_rng(8)
    folds = [n % 6 for n in range(42)]

    def features(seen: bool) -> np.ndarray:
        return rng.normal(0, 0.5 if seen else 1.0, 12)

    cases = [CaseDescription({}, features=tuple(tuple(features(seen=fold != k)) for k in range(6))) for fold in folds]
    seen_by_first = [case for case, fold in zip(cases, folds, strict=True) if fold != 0]
    one_model = fit_typicality([CaseDescription({}, features=case.features[:1]) for case in seen_by_first])
    by_fold = fit_typicality(cases, folds)
    fresh = [tuple(tuple(features(seen=False)) for _ in range(6)) for _ in range(40)]
    naive = [bool(one_model.judge(CaseDescription({}, features=rows[:1])).unusual) for rows in fresh]
    honest = [bool(by_fold.judge(CaseDescription({}, features=rows)).unusual) for rows in fresh]
    assert np.mean(naive) > 0.9
    assert np.mean(honest) < 0.15
    assert by_fold.judge(CaseDescription({}, features=tuple(tuple(np.full(12, 6.0)) for _ in range(6)))).unlike
    with pytest.raises(UserError, match="several models"):
        fit_typicality(cases)


def sarcoma(folder: Path) -> dict[str, np.ndarray]:
    return {name: read_volume(folder / f"{name}.nii.gz").array for name in ("PET", "CT", "tumour")}


def test_real_sarcomas_are_typical_and_foreign_inputs_are_not(data_root: Path) -> None:
    root = data_root / "sarcoma_petct"
    if not root.is_dir():
        pytest.skip("no real sarcomas: LESIONLENS_DATA has no sarcoma_petct/")
    known = [sarcoma(folder) for folder in sorted((root / "train").iterdir())]
    voxel_ml = 0.027
    real = fit_typicality([describe_case({r: c[r] for r in ("PET", "CT")}, voxel_ml, c["tumour"]) for c in known])
    new = [sarcoma(folder) for folder in sorted((root / "test_public").iterdir())]
    assert (real.cases, len(new)) == (34, 8)

    def judge(pet: np.ndarray, ct: np.ndarray, mask: np.ndarray | None) -> Typicality:
        return real.judge(describe_case({"PET": pet, "CT": ct}, voxel_ml, mask))

    assert sum(not judge(c["PET"], c["CT"], c["tumour"]).unlike for c in new) >= 6
    for case in new:
        becquerels = judge(case["PET"] * 5000.0, case["CT"], case["tumour"])
        assert becquerels.unlike
        assert "of PET" in becquerels.text
        assert " of CT" not in becquerels.text or judge(case["PET"], case["CT"], case["tumour"]).unusual
        ct_as_pet = judge(case["CT"], case["CT"], case["tumour"])
        assert (ct_as_pet.percentile, ct_as_pet.unlike) == (100.0, True)
        assert "of PET" in ct_as_pet.text
    brain = next((data_root / "ms" / "test_public").iterdir())
    flair = read_volume(brain / "FLAIR.nii.gz")
    t1, mask = (resample(read_volume(brain / f"{n}.nii.gz"), flair.grid, "nearest").array for n in ("T1", "lesion"))
    # Once as it is, once in numbers that SUV and HU could have: 0 to 10 and -1000 to 1000.
    for pet_like, ct_like in ((flair.array, t1), (0.005 * flair.array, t1.astype(float) - 1000.0)):
        for lesion in (mask, None):
            found = judge(pet_like, ct_like, lesion)
            assert (found.percentile, found.unlike) == (100.0, True)
            assert "intensity" in found.unusual


def test_the_shipped_reference_calls_a_real_brain_in_suv_like_numbers_unlike_a_sarcoma(data_root: Path) -> None:
    brains = data_root / "brain_tumour_nc_sa"
    if not brains.is_dir():
        pytest.skip("no brain tumours: LESIONLENS_DATA has no brain_tumour_nc_sa/")
    reference = load_typicality(find_card("chmfl-sarcoma"))
    assert reference is not None
    for folder in sorted(brains.iterdir()):
        flair, t1c, labels = (read_volume(folder / f"{n}.nii.gz").array for n in ("FLAIR", "T1c", "tumour_labels"))
        pet_like = 10.0 * (flair - flair.min()) / np.ptp(flair)
        found = reference.judge(describe_case({"PET": pet_like, "CT": t1c}, 0.001, labels))
        assert (found.percentile, found.unlike) == (100.0, True)
        assert "intensity" in found.unusual
