"""The network's input around a lesion, the files of a simulated lesion, and data sets of them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from metastasis_brain import GRIDS, OBLIQUE, STRAIGHT, made_up_soil, radius_from

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_volume
from LesionLensLib.inference.lesion_roi import FULL_ROI, LIGHT_ROI, RoiPreset, brain_scores, lesion_roi, roi_input
from LesionLensLib.manifest import read_manifest
from LesionLensLib.training.metastases.cohort import CohortRecipe, reachable, simulate_cohort, write_cohort
from LesionLensLib.training.metastases.limits import MetastasisRange
from LesionLensLib.training.metastases.mechanism import bayes_auc
from LesionLensLib.training.metastases.records import read_sample, write_patient, write_sample
from LesionLensLib.training.metastases.samples import INPUT_ROLES, lesion_samples
from LesionLensLib.training.metastases.simulate import simulate_patient

TINY_ROI = RoiPreset(24, 2.0)
SMALL = MetastasisRange(diameter_mm=(7.0, 12.0), lesions=(0.5, 0.5))
RECIPE = CohortRecipe(lesions=3, seed=1, painted_share=0.0, preset=TINY_ROI, limits=SMALL)
SPOT = (20.0, -12.0, 28.0)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
@pytest.mark.parametrize("preset", [FULL_ROI, LIGHT_ROI, TINY_ROI])
def test_the_cube_is_centred_on_the_lesion_along_patient_axes(grid: Grid, preset: RoiPreset) -> None:
    mask = Volume((radius_from(grid, SPOT) <= 6).astype(np.uint8), grid)
    roi = lesion_roi(mask, preset)
    assert roi.size == (preset.voxels,) * 3
    assert roi.spacing_mm == (preset.spacing_mm,) * 3
    assert roi.ras_from_ijk([(preset.voxels - 1) / 2] * 3) == pytest.approx(SPOT, abs=0.15)
    assert not roi.is_left_handed
    assert (np.diag(np.reshape(roi.direction_lps, (3, 3))) > 0.5).all()


def test_both_presets_cover_the_same_96_mm() -> None:
    assert FULL_ROI.voxels * FULL_ROI.spacing_mm == LIGHT_ROI.voxels * LIGHT_ROI.spacing_mm == 96


def test_an_empty_mask_has_no_cube() -> None:
    with pytest.raises(UserError, match="empty"):
        lesion_roi(Volume(np.zeros(STRAIGHT.shape, np.uint8), STRAIGHT), LIGHT_ROI)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_the_input_holds_scores_of_the_whole_brain_then_masks_and_nothing_beyond_the_image(grid: Grid) -> None:
    soil = made_up_soil(grid)
    mask = Volume((radius_from(grid, SPOT) <= 6).astype(np.uint8), grid)
    brain = Volume(soil.brain.astype(np.uint8), grid)
    scores = [brain_scores(Volume(channel, grid), brain) for channel in soil.channels]
    assert float(scores[0].array[soil.brain].mean()) == pytest.approx(0, abs=1e-4)
    assert float(scores[0].array[soil.brain].std()) == pytest.approx(1, abs=1e-3)
    roi = lesion_roi(mask, LIGHT_ROI)
    seen = roi_input(scores, [mask], roi)
    assert seen.shape == (3, 64, 64, 64)
    assert seen.dtype == np.float32
    assert set(np.unique(seen[2])) == {0, 1}
    assert seen[2].sum() * roi.voxel_ml == pytest.approx(4 / 3 * np.pi * 0.6**3, rel=0.15)
    away = radius_from(roi, (12.0, -20.0, 31.0)) > 37
    assert not seen[:, away].any()
    deep = (np.abs(radius_from(roi, (12.0, -20.0, 31.0)) - 15) < 3) & (radius_from(roi, SPOT) > 9)
    expected = (1000 - soil.channels[0][soil.brain].mean()) / soil.channels[0][soil.brain].std()
    assert seen[0][deep].mean() == pytest.approx(expected, abs=0.05)


@pytest.fixture(scope="module")
def samples() -> list:
    return lesion_samples(simulate_patient(made_up_soil(OBLIQUE), 4, SMALL), "sim0000", TINY_ROI)


def test_a_sample_shows_the_lesion_bright_on_t1c_where_its_mask_is(samples: list) -> None:
    for sample in samples:
        t1c, flair, lesion, oedema = sample.input
        assert np.array_equal(lesion > 0, sample.masks.lesion)
        assert np.array_equal(oedema > 0, sample.masks.oedema)
        assert t1c[sample.masks.rim].mean() > t1c[(lesion == 0) & (t1c != 0)].mean() + 0.5
        assert lesion[10:14, 10:14, 10:14].any(), "the lesion is in the middle"
        if sample.masks.oedema.sum() > 10:
            assert flair[sample.masks.oedema].mean() > flair[(flair != 0) & (oedema == 0)].mean() + 0.5


def test_a_written_sample_reads_back_as_it_was(samples: list, tmp_path: Path) -> None:
    sample = samples[0]
    write_sample(sample, tmp_path / sample.case)
    again = read_sample(tmp_path / sample.case)
    assert np.array_equal(again.input, sample.input)
    assert again.grid.is_close(sample.grid)
    assert read_volume(tmp_path / sample.case / "margin.nii.gz").grid.is_close(sample.grid)
    assert all(np.array_equal(again.masks.parts[n], mask) for n, mask in sample.masks.parts.items())
    assert (again.outcome, again.probability, again.truth) == (sample.outcome, sample.probability, sample.truth)
    text = (tmp_path / sample.case / "truth.json").read_text()
    assert str(tmp_path) not in text
    truth = json.loads(text)
    assert truth["evidence"] == "simulated"
    assert truth["probability"] == pytest.approx(1 / (1 + np.exp(-truth["logit"])))
    terms = sum(truth["logit_terms"].values()) + truth["mechanism"]["intercept"]
    assert truth["logit"] == pytest.approx(terms)


def test_a_folder_without_a_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no simulated lesion"):
        read_sample(tmp_path)
    (tmp_path / "truth.json").write_text('{"schema": "another"}')
    with pytest.raises(UserError, match="no simulated lesion"):
        read_sample(tmp_path)


def test_a_whole_patient_is_written_with_a_mask_for_every_lesion(tmp_path: Path) -> None:
    patient = simulate_patient(made_up_soil(OBLIQUE), 4, replace(SMALL, lesions=(0.0, 1.0)))
    write_patient(patient, tmp_path)
    t1c = read_volume(tmp_path / "T1c.nii.gz")
    assert t1c.grid.is_close(OBLIQUE)
    assert t1c.array == pytest.approx(patient.channels[0], abs=0.5)
    for number, lesion in enumerate(patient.lesions):
        mask = read_volume(tmp_path / f"lesion{number}.nii.gz")
        assert mask.array.sum() == lesion.masks.lesion.sum()
        assert t1c.array[lesion.masks.on(OBLIQUE).rim].mean() > 1100


def test_a_data_set_comes_again_from_its_seed_and_its_manifest_can_be_read(tmp_path: Path) -> None:
    soils = [made_up_soil(OBLIQUE)]
    first = list(simulate_cohort(soils, RECIPE))
    assert len(first) == 3
    again = list(simulate_cohort(soils, RECIPE))
    assert all(np.array_equal(a.input, b.input) and a.outcome == b.outcome for a, b in zip(first, again, strict=True))
    other = next(simulate_cohort(soils, replace(RECIPE, seed=2)))
    assert not np.array_equal(other.input, first[0].input)
    summary = write_cohort(first, tmp_path)
    rows = read_manifest(tmp_path / "manifest.csv")
    assert [row.case for row in rows] == [sample.case for sample in first]
    assert [int(row.label) for row in rows] == [sample.outcome for sample in first]
    assert all(row.has(*INPUT_ROLES, "truth") for row in rows)
    assert json.loads((tmp_path / "cohort.json").read_text()) == summary
    assert summary["bayes_auc"] == pytest.approx(bayes_auc([sample.probability for sample in first]))


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
