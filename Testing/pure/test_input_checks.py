"""The input check says in plain words what is wrong, and keeps quiet about sound input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import write_series

from LesionLensLib.errors import UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume, read_transform, read_volume
from LesionLensLib.images.resample import resample
from LesionLensLib.inputs import Finding, check_inputs, raise_on_error
from LesionLensLib.inputs.check_roles import check_roles
from LesionLensLib.phantom import HeadPhantom, make_head_phantom

ROLES = ("T1", "T2", "FLAIR")


@dataclass(frozen=True)
class Channel:
    role: str
    tissue_order: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    channel_def: tuple[Channel, ...] = tuple(Channel(role) for role in ROLES)
    spacing_range_mm: tuple[float, float] = (0.3, 6.0)
    expects_skull_stripped: bool = False


def check(volumes: Mapping[str, Volume], card: Card | None = None, **options: object) -> tuple[Finding, ...]:
    return check_inputs(volumes, card or Card(), "FLAIR", False, **options)  # type: ignore[arg-type]


def codes(findings: tuple[Finding, ...], *severities: str) -> list[str]:
    return [finding.code for finding in findings if finding.severity in (severities or ("error", "warning"))]


def test_a_sound_case_gives_no_error_and_no_warning(phantom: HeadPhantom) -> None:
    assert codes(check(phantom.channels)) == []
    assert codes(check(phantom.channels), "info") == ["brain-mask-estimated"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_heads_with_more_noise_are_sound_too(seed: int) -> None:
    assert codes(check(make_head_phantom(seed, small=True, noise=1.8).channels)) == []


WRONG_ORDERS = [order for order in permutations(ROLES) if order != ROLES]


def without_words(volumes: Mapping[str, Volume]) -> dict[str, Volume]:
    return {role: Volume(volume.array, volume.grid) for role, volume in volumes.items()}


@pytest.mark.parametrize("order", WRONG_ORDERS)
def test_every_mix_up_of_the_three_contrasts_is_an_error_by_brightness_alone(
    order: tuple[str, ...], phantom: HeadPhantom
) -> None:
    channels = without_words(phantom.channels)
    mixed = {role: channels[source] for role, source in zip(ROLES, order, strict=True)}
    findings = check(mixed)
    assert codes(findings) == ["channels-swapped"]
    for role, source in zip(ROLES, order, strict=True):
        claimed = f"the image given as {role} looks like a {source}"
        assert (claimed in findings[0].text) == (role != source)


def test_the_wrong_series_by_its_description_is_a_warning(phantom: HeadPhantom) -> None:
    flair = replace(phantom.FLAIR, header={"SeriesDescription": "Ax T2 tse"})
    findings = check({**phantom.channels, "FLAIR": flair})
    assert codes(findings, "warning") == ["description-differs"]
    assert "described as T2" in findings[0].text


def test_a_t1_in_place_of_the_flair_cannot_be_confirmed(phantom: HeadPhantom) -> None:
    brighter = Volume(phantom.T1.array * 2 + 3, phantom.T1.grid)
    assert codes(check({"T1": phantom.T1, "T2": phantom.T2, "FLAIR": brighter})) == ["contrast-unsure"]


def test_one_image_given_twice_is_an_error(phantom: HeadPhantom) -> None:
    assert codes(check({"T1": phantom.T1, "T2": phantom.T1, "FLAIR": phantom.FLAIR}), "error") == ["same-image"]


def test_missing_unknown_and_repeated_roles_name_what_the_model_needs(phantom: HeadPhantom) -> None:
    findings = check({"T1": phantom.T1, "FLAIR": phantom.FLAIR, "PD": phantom.T2})
    assert codes(findings, "error") == ["role-unknown", "role-missing"]
    assert "T1, T2, FLAIR" in findings[0].remedy
    assert [f.code for f in check_roles(["T1", "T1", "T2", "FLAIR"], Card())] == ["role-twice"]


def spoiled(volume: Volume, value: float) -> Volume:
    array = volume.array.astype(np.float32)
    array[3, 4, 5] = value
    return Volume(array, volume.grid)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_numbers_are_counted(value: float, phantom: HeadPhantom) -> None:
    findings = check({**phantom.channels, "T2": spoiled(phantom.T2, value)})
    assert codes(findings, "error") == ["not-finite"]
    assert "T2 has 1 voxels" in findings[0].text


def test_a_constant_image_is_an_error(phantom: HeadPhantom) -> None:
    findings = check({**phantom.channels, "T1": phantom.T1.with_array(np.full(phantom.T1.grid.shape, 7.0))})
    assert codes(findings, "error") == ["constant"]
    assert "every voxel is 7" in findings[0].text


def test_a_mask_in_place_of_an_image_is_an_error(phantom: HeadPhantom) -> None:
    mask = phantom.FLAIR.with_array((phantom.FLAIR.array > 100).astype(np.uint8))
    findings = check({**phantom.channels, "FLAIR": mask})
    assert codes(findings, "error") == ["mask-not-image"]
    assert findings[0].text.startswith("FLAIR holds two values only")


@pytest.mark.parametrize("role", ROLES)
def test_an_image_without_a_bright_object_is_an_error_that_names_it(role: str, phantom: HeadPhantom) -> None:
    volume = phantom.channels[role]
    specks = np.zeros_like(volume.array)
    specks[20, 30, 30], specks[40, 50, 50] = 500, 900
    for array in (volume.array.astype(np.int32) - 30_000, specks):
        findings = check({**phantom.channels, role: volume.with_array(array)})
        assert codes(findings) == ["nothing-seen"]
        assert findings[0].text.startswith(f"{role} holds no object")


@pytest.mark.filterwarnings("error")
def test_an_image_of_one_value_inside_the_head_shows_no_contrast(phantom: HeadPhantom) -> None:
    array = np.where(phantom.FLAIR.array > 100, 400, phantom.FLAIR.array)
    assert codes(check({**phantom.channels, "FLAIR": phantom.FLAIR.with_array(array)})) == ["contrast-unsure"]


def shifted(volume: Volume, millimetres: float) -> Volume:
    x, y, z = volume.grid.origin_lps
    return replace(volume, grid=replace(volume.grid, origin_lps=(x + millimetres, y, z)))


def test_channels_that_lie_elsewhere_are_an_error_unless_a_transform_brings_them_back(phantom: HeadPhantom) -> None:
    away = {**phantom.channels, "T1": shifted(phantom.T1, 400.0)}
    assert codes(check(away), "error") == ["no-overlap"]
    back = {"T1": sitk.TranslationTransform(3, (400.0, 0.0, 0.0))}
    assert codes(check(away, transforms=back)) == []


def test_heads_that_lie_beside_each_other_are_a_warning(phantom: HeadPhantom) -> None:
    assert "heads-apart" in codes(check({**phantom.channels, "T1": shifted(phantom.T1, 80.0)}), "warning")


def test_z_scores_of_a_stripped_brain_lie_in_one_place(phantom: HeadPhantom) -> None:
    """Half of their voxels are below the 0 around the brain."""
    scores = {}
    for role, volume in phantom.channels.items():
        brain = resample(phantom.brain, volume.grid, "nearest").array > 0
        values = volume.array.astype(np.float32)
        scores[role] = volume.with_array(np.where(brain, (values - values[brain].mean()) / values[brain].std(), 0))
    assert "heads-apart" not in codes(check(scores))
    moved = {**scores, "T1": shifted(scores["T1"], 60.0)}
    assert "heads-apart" in codes(check(moved))


def test_a_channel_that_covers_a_third_is_a_warning(phantom: HeadPhantom) -> None:
    grid = phantom.T1.grid
    part = Volume(phantom.T1.array, grid.cropped((0, 0, 0), grid.size))
    half_out = shifted(part, 0.65 * grid.size[0] * grid.spacing_mm[0])
    findings = check({**phantom.channels, "T1": half_out})
    assert "little-overlap" in codes(findings)


def test_spacing_outside_of_the_range_warns_and_far_outside_stops(phantom: HeadPhantom) -> None:
    assert codes(check(phantom.channels, Card(spacing_range_mm=(0.3, 2.0)))) == ["spacing-outside-range"] * 3
    assert codes(check(phantom.channels, Card(spacing_range_mm=(0.3, 1.2))), "error") == ["spacing-too-coarse"] * 3


def test_a_skull_is_an_error_for_a_model_that_expects_none_and_no_matter_with_a_mask(phantom: HeadPhantom) -> None:
    card = Card(expects_skull_stripped=True)
    assert codes(check(phantom.channels, card)) == ["skull-present"]
    assert codes(check_inputs(phantom.channels, card, "FLAIR", has_brain_mask=True), "error", "info") == []
    stripped = {role: strip(volume, phantom.brain) for role, volume in phantom.channels.items()}
    assert codes(check(stripped, card), "error", "info") == []


def strip(volume: Volume, brain: Volume) -> Volume:
    from LesionLensLib.images.resample import resample

    return volume.with_array(volume.array * resample(brain, volume.grid, "nearest").array)


def test_an_empty_brain_mask_and_one_that_lies_elsewhere_are_errors(phantom: HeadPhantom) -> None:
    empty = phantom.brain.with_array(np.zeros(phantom.brain.grid.shape, np.uint8))
    assert codes(check(phantom.channels, brain_mask=empty), "error") == ["brain-mask-empty"]
    away = shifted(phantom.brain, 150.0)
    assert codes(check(phantom.channels, brain_mask=away), "error") == ["brain-mask-elsewhere"]
    assert codes(check(phantom.channels, brain_mask=phantom.brain)) == []


def test_images_of_noise_hold_no_contrast_that_could_be_confirmed(oblique_grid: Grid) -> None:
    rng = np.random.default_rng(0)
    noise = {role: Volume(rng.uniform(90, 110, oblique_grid.shape), oblique_grid) for role in ROLES}
    assert codes(check(noise))[0] in ("contrast-unsure", "nothing-seen")


def test_dicom_series_with_missing_slices_or_of_two_patients_are_errors(tmp_path: Path) -> None:
    grid = Grid((8, 8, 6), (1, 1, 1), (0, 0, 0))
    volumes = {}
    for number, role in enumerate(ROLES):
        values = np.random.default_rng(number).integers(0, 900, grid.shape).astype(np.int16)
        patient = "Roe^Max" if role == "T2" else "Doe^Jane"
        folder = write_series(Volume(values, grid), tmp_path / role, patient=patient, without=(3,) * (role == "T1"))
        volumes[role] = read_volume(folder)
    findings = check(volumes)
    assert codes(findings, "error") == ["slices-missing", "different-patients"]
    assert "T1 with FLAIR and T2" in findings[1].text
    assert "Doe" not in repr(findings)


def test_a_file_without_orientation_and_one_with_two_positions_are_warnings(phantom: HeadPhantom) -> None:
    lost = replace(phantom.T1, header={"orientation": "missing"})
    double = replace(phantom.T2, header={"sform_qform_distance_mm": "25.0"})
    findings = check({"T1": lost, "T2": double, "FLAIR": phantom.FLAIR})
    assert codes(findings) == ["orientation-missing", "two-positions"]


def test_the_first_error_is_raised_with_its_remedy_and_the_others_are_counted() -> None:
    raise_on_error([Finding("warning", "w", "Careful."), Finding("info", "i", "So.")])
    errors = [Finding("error", "a", "This is wrong.", "Mend it."), Finding("error", "b", "That too.", "Mend that.")]
    with pytest.raises(UserError, match=r"This is wrong\. \(1 more: b\)") as caught:
        raise_on_error(errors)
    assert caught.value.remedy == "Mend it."
    assert "That too." in caught.value.detail


REAL = ("train/lj_p19", "test_public/lj_p07")
VISITS = ("lj_long_p03_study2", "lj_long_p04_study1", "lj_long_p12_study1", "lj_long_p12_study2")


@pytest.mark.parametrize("case", [*REAL, *(f"native/{visit}" for visit in VISITS)])
def test_on_real_cases_every_mix_up_is_an_error_and_the_right_order_is_quiet(case: str, ms_data: Path) -> None:
    images = {role: read_volume(ms_data / case / f"{role}.nii.gz") for role in ROLES}
    assert codes(check(images)) == []
    for order in WRONG_ORDERS:
        mixed = {role: images[source] for role, source in zip(ROLES, order, strict=True)}
        assert codes(check(mixed), "error") == ["channels-swapped"], order


@pytest.mark.parametrize("case", REAL)
def test_a_real_t1_with_contrast_agent_in_place_of_the_flair_is_noticed(case: str, ms_data: Path) -> None:
    images = {role: read_volume(ms_data / case / f"{role}.nii.gz") for role in ROLES}
    images["FLAIR"] = read_volume(ms_data / case / "T1POST.nii.gz")
    assert codes(check(images)) == ["contrast-unsure"]


def test_real_transforms_of_a_visit_keep_the_check_quiet(ms_data: Path) -> None:
    folder = ms_data / "native" / VISITS[0]
    images = {role: read_volume(folder / f"{role}.nii.gz") for role in ROLES}
    transforms = {role: read_transform(folder / f"{role}_to_FLAIR.txt") for role in ("T1", "T2")}
    assert codes(check(images, transforms=transforms)) == []
