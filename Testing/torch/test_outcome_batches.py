"""Recipes, cases, batches and augmentation of an outcome training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sarcoma_cases import place_ras, write_patients

from LesionLensLib.errors import UserError
from LesionLensLib.manifest import ManifestRow
from LesionLensLib.training.outcome.labelled import labelled_rows
from LesionLensLib.training.outcome.moving import middle
from LesionLensLib.training.sarcoma.augmentation import OutcomeAugmentation, augment_case
from LesionLensLib.training.sarcoma.batches import OutcomeBatches
from LesionLensLib.training.sarcoma.cases import OutcomeCase, read_case
from LesionLensLib.training.sarcoma.recipe import OutcomeRecipe

REPOSITORY = Path(__file__).resolve().parents[2]
RECIPE = OutcomeRecipe(
    options={"levels": 2, "base_width": 2, "hidden": [8]}, spacing_mm=4.0, field_mm=(32.0, 32.0, 48.0), steps=4,
    normalization="petct-physical",
)  # fmt: skip
STRONG = replace(
    RECIPE,
    augmentation=OutcomeAugmentation(
        flip_chance=0.5, tilt_degrees=10, spin_degrees=45, scale=0.1, shift_mm=4, elastic_mm=2, suv_scale=0.1,
        hu_shift=10, suv_noise=0.1, hu_noise=5, blur_chance=0.5, blur_mm=4,
    ),
)  # fmt: skip
MARGIN = 4


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[ManifestRow]:
    return write_patients(tmp_path_factory.mktemp("sarcoma"), 6)


@pytest.fixture(scope="module")
def cases(rows: list[ManifestRow]) -> list[OutcomeCase]:
    return [read_case(row, ("PET", "CT"), RECIPE.field_of_view, MARGIN) for row in rows]


def test_a_case_is_the_box_around_its_tumour_in_suv_and_hu(cases: list[OutcomeCase]) -> None:
    case = cases[1]
    assert (case.outcome, case.is_test, cases[5].is_test) == (1, False, True)
    assert case.images.shape == (2, 12 + 2 * MARGIN, 8 + 2 * MARGIN, 8 + 2 * MARGIN)
    inside = case.tumour > 0.9
    assert case.images[0][inside].mean() == pytest.approx(10, abs=1.2)
    assert case.images[1][inside].mean() == pytest.approx(35, abs=3)
    center = case.grid.ras_from_ijk((np.array(case.grid.size) - 1) / 2)
    assert center == pytest.approx(place_ras(1), abs=1.5)
    assert case.inside_share == 1.0


def test_a_tumour_larger_than_the_field_of_view_is_told(rows: list[ManifestRow]) -> None:
    narrow = replace(RECIPE, field_mm=(16.0, 16.0, 16.0)).field_of_view
    case = read_case(rows[0], ("PET", "CT"), narrow, 0)
    assert 0.2 < case.inside_share < 0.6


def test_the_mask_is_a_channel_for_the_network_that_wants_it(rows: list[ManifestRow]) -> None:
    recipe = replace(RECIPE, network="mask-hmfl")
    case = read_case(rows[0], recipe.roles, recipe.field_of_view, 0)
    images = OutcomeBatches([case, replace(case, outcome=1)], recipe).batch(0).images
    assert images.shape == (1, 3, 12, 8, 8)
    assert set(images[0, 2].unique().tolist()) == {0.0, 1.0}
    assert torch.equal(images[0, 2] > 0, torch.from_numpy(case.tumour >= 0.5))


def test_a_label_that_is_no_outcome_is_refused_and_an_unknown_one_is_left_out(rows: list[ManifestRow]) -> None:
    unknown = replace(rows[0], label="")
    assert [row.case for row in labelled_rows([unknown, rows[1]], ("PET",))] == [rows[1].case]
    with pytest.raises(UserError, match="is 'yes', not an outcome"):
        labelled_rows([replace(rows[0], label="yes")], ("PET",))
    with pytest.raises(UserError, match="no case with a known outcome"):
        labelled_rows([unknown], ("PET",))
    with pytest.raises(UserError, match=rf"Case {rows[0].case} has no patient"):
        labelled_rows([replace(rows[0], patient="")], ("PET",))


def test_a_channel_that_no_labelled_case_has_is_named(rows: list[ManifestRow]) -> None:
    with pytest.raises(UserError, match=r"No case with an outcome has the FLAIR\.") as caught:
        labelled_rows(rows, ("PET", "FLAIR", "lesion"))
    assert caught.value.remedy == "Give the files in the columns PET, FLAIR, lesion of the manifest."
    apart = [replace(rows[0], files={"PET": rows[0].files["PET"]}), replace(rows[1], files={"CT": rows[1].files["CT"]})]
    with pytest.raises(UserError, match=r"No case with an outcome has all of PET, CT\."):
        labelled_rows(apart, ("PET", "CT"))


@pytest.mark.parametrize("recipe", [RECIPE, STRONG])
def test_batch_n_depends_on_the_seed_and_n_alone(cases: list[OutcomeCase], recipe: OutcomeRecipe) -> None:
    again = next(iter(OutcomeBatches(cases, recipe, first=9)))
    for one, other in zip(OutcomeBatches(cases, recipe).batch(9), again, strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(again.images, OutcomeBatches(cases, recipe).batch(10).images)
    assert again.images.shape == (1, 2, 12, 8, 8)
    assert again.images.dtype == torch.float32
    assert set(again.mask.unique().tolist()) == {0, 1}


def test_the_same_case_looks_different_in_every_round(cases: list[OutcomeCase]) -> None:
    two = OutcomeBatches(cases[:2], STRONG)
    seen = [two.batch(n) for n in range(4)]
    of_first = [batch.images for batch in seen if int(batch.outcome) == cases[0].outcome]
    assert len(of_first) == 2
    assert not torch.equal(*of_first)


def test_every_case_comes_once_before_any_comes_again(cases: list[OutcomeCase]) -> None:
    batches = OutcomeBatches(cases, replace(RECIPE, batch=2))
    order = [batches.order.case_at(place) for place in range(18)]
    assert [sorted(order[n : n + 6]) for n in (0, 6, 12)] == [list(range(6))] * 3
    assert order[:6] != order[6:12]
    assert batches.batch(0).outcome.tolist() == [cases[n].outcome for n in order[:2]]


def test_balanced_batches_take_the_outcomes_in_turn(cases: list[OutcomeCase]) -> None:
    uneven = [case for case in cases if case.outcome == 0] + [cases[1]]
    batches = OutcomeBatches(uneven, replace(RECIPE, balanced=True, batch=2))
    assert all(batches.batch(n).outcome.tolist() == [0, 1] for n in range(5))
    with pytest.raises(UserError, match="the same outcome"):
        OutcomeBatches([cases[1]], RECIPE)


def test_without_augmentation_the_middle_of_the_box_is_seen_as_it_is(cases: list[OutcomeCase]) -> None:
    """The identity drawn through the sampler must land on the same voxels, or pose and plain view would disagree."""
    case = cases[0]
    images, tumour = torch.from_numpy(case.images), torch.from_numpy(case.tumour)
    shape = RECIPE.field_of_view.shape
    still = OutcomeAugmentation()
    moved, share = augment_case(images, tumour, case.roles, shape, 4.0, still, np.random.default_rng(0))
    assert torch.allclose(moved, middle(images, shape), atol=2e-2)
    assert torch.allclose(share, middle(tumour, shape), atol=1e-4)


def test_image_and_contour_move_together_and_a_turned_tumour_keeps_its_volume(cases: list[OutcomeCase]) -> None:
    case = cases[1]
    limits = OutcomeAugmentation(flip_chance=0.5, tilt_degrees=25, spin_degrees=90, shift_mm=6)
    images, tumour = torch.from_numpy(case.images), torch.from_numpy(case.tumour)
    for seed in range(4):
        moved, share = augment_case(images, tumour, case.roles, (12, 10, 10), 4.0, limits, np.random.default_rng(seed))
        inside, outside = share > 0.9, share < 0.1
        assert moved[0][inside].mean() > 8 * moved[0][outside].mean()
        assert float(share.sum()) == pytest.approx(float(tumour.sum()), rel=0.05)


def test_what_lies_beyond_the_image_is_air_without_uptake(cases: list[OutcomeCase]) -> None:
    images = torch.zeros(2, 8, 8, 8)
    moved, _ = augment_case(
        images, torch.zeros(8, 8, 8), ("PET", "CT"), (16, 16, 16), 4.0, OutcomeAugmentation(), np.random.default_rng(0)
    )
    assert moved[0, 0, 0, 0] == 0
    assert moved[1, 0, 0, 0] == -1000
    assert moved[1, 8, 8, 8] == 0


def test_uptake_is_scaled_within_the_limit_and_never_negative(cases: list[OutcomeCase]) -> None:
    image = torch.full((2, 8, 8, 8), 5.0)
    limits = OutcomeAugmentation(suv_scale=0.2, suv_noise=0.5)
    levels = []
    for seed in range(20):
        changed, _ = augment_case(
            image, torch.zeros(8, 8, 8), ("PET", "CT"), (8, 8, 8), 4.0, limits, np.random.default_rng(seed)
        )
        assert changed[0].min() >= 0
        assert torch.equal(changed[1], image[1])
        levels.append(float(changed[0].mean()))
    assert 5 * np.exp(-0.2) - 0.2 < min(levels) < 4.7
    assert 5.3 < max(levels) < 5 * np.exp(0.2) + 0.2


def test_the_default_recipe_is_the_papers() -> None:
    recipe = OutcomeRecipe()
    assert recipe.field_of_view.shape == (144, 112, 112)
    assert (recipe.w, recipe.learning_rate, recipe.batch, recipe.folds) == (0.5, 1e-4, 1, 6)
    assert recipe.normalization == "petct-contrast"
    assert recipe.augmentation == OutcomeAugmentation()


def test_the_shipped_recipe_names_every_comparison_of_the_paper_and_every_row_can_be_built() -> None:
    from LesionLensLib.training.sarcoma.trainer import make_network

    recipe = OutcomeRecipe.read(REPOSITORY / "Resources" / "Recipes" / "chmfl-sarcoma.yaml")
    networks = {recipe.row(name).network for name in recipe.row_names()}
    assert networks >= {"chmfl", "cfl", "mask-hmfl", "3d-cnn-pet-ct", "3d-cnn-pet", "3d-cnn-ct"}
    assert {"suvmax", "radiomics-pet-t1"} <= set(recipe.baselines)
    assert recipe.row("chmfl-plain").augmentation == OutcomeAugmentation()
    for name in recipe.row_names():
        row = recipe.row(name)
        shape = row.field_of_view.shape
        with torch.inference_mode():
            network = make_network(row).eval()
            assert network(torch.zeros(1, len(row.roles), *shape)).outcome.shape == (1, 2)


def test_only_the_outline_is_learned_at_first_and_not_at_all_without_a_decoder() -> None:
    recipe = replace(RECIPE, pretrain_steps=2, w=0.3)
    assert [recipe.weight_at(step) for step in range(4)] == [1.0, 1.0, 0.3, 0.3]
    assert replace(recipe, network="3d-cnn-pet").weight_at(0) == 0.0


def test_a_row_changes_what_it_names_and_nothing_else() -> None:
    record = STRONG.to_dict() | {"rows": {"a": {}, "b": {"augmentation": {"flip_chance": 0.1}, "network": "cfl"}}}
    recipe = OutcomeRecipe.from_dict({**record, "shipped": "b"})
    assert recipe.row_names() == ("b", "a")
    assert recipe.row("a") == replace(STRONG, rows={})
    assert recipe.row("b").augmentation == replace(STRONG.augmentation, flip_chance=0.1)
    assert recipe.row("b").network == "cfl"


@pytest.mark.parametrize(
    ("record", "complaint"),
    [
        ({"stepz": 3}, "no setting called stepz"),
        ({"rows": {"a": {"lr": 1}}}, "row a of the recipe has no setting called lr"),
        ({"augmentation": {"mirror": 1}}, "no setting called mirror"),
        ({"network": "resnet"}, "network is 'resnet'"),
        ({"normalization": "zscore"}, "normalization is 'zscore'"),
        ({"w": 1.5}, "a number that cannot be"),
        ({"views": 9}, "9 views"),
        ({"baselines": ["magic"]}, "baselines is 'magic'"),
    ],
)
def test_a_recipe_with_a_mistake_is_refused_by_name(record: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        OutcomeRecipe.from_dict(record)
