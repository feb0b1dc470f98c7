"""What is measured, and the mechanism that turns it into outcomes."""

from dataclasses import replace

import numpy as np
import pytest
from metastasis_brain import CENTER_RAS, GRIDS, STRAIGHT, radius_from
from scipy.special import expit

from LesionLensLib.geometry import Grid
from LesionLensLib.outcome.roc import auc
from LesionLensLib.training.metastases.masks import LesionMasks, Margins, masks_from_shares
from LesionLensLib.training.metastases.measures import Measures, measure
from LesionLensLib.training.metastases.mechanism import FailureMechanism, bayes_auc, expected_auc

MECHANISM = FailureMechanism()
NAMES = ("log_volume", "necrosis", "heterogeneity")


def balls(grid: Grid, radius_mm: float, core_mm: float, wet_mm: float) -> LesionMasks:
    distance = radius_from(grid, CENTER_RAS)
    body, core, wet = ((distance <= r).astype(np.float32) for r in (radius_mm, core_mm, wet_mm))
    return masks_from_shares(body, core, wet, np.ones(grid.shape, bool), grid, Margins())


def many(count: int = 2000) -> list[Measures]:
    rng = np.random.default_rng(0)
    volume = np.exp(rng.normal(0.15, 1.4, count))
    necrosis = np.clip(rng.normal(0.16, 0.17, count), 0, 0.7)
    heterogeneity = np.clip(rng.normal(0.18, 0.1, count), 0, 0.5)
    return [Measures(*values) for values in np.stack([volume, necrosis, heterogeneity], axis=1).tolist()]


def drawn(mechanism: FailureMechanism, population: list[Measures]) -> np.ndarray:
    return np.array([mechanism.draw(m, np.random.default_rng([3, n])) for n, m in enumerate(population)])


def fitted(population: list[Measures], outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights and standard errors of a logistic regression by Newton's method, in the mechanism's own scales."""
    unit = replace(
        MECHANISM, **{name: replace(getattr(MECHANISM, name), weight=1.0) for name in NAMES}
    )  # fmt: skip
    design = np.array([[1.0, *unit.terms(m).values()] for m in population])
    weights = np.zeros(4)
    for _ in range(25):
        p = expit(design @ weights)
        information = design.T @ (design * (p * (1 - p))[:, None])
        weights += np.linalg.solve(information, design.T @ (outcomes - p))
    return weights, np.sqrt(np.diag(np.linalg.inv(information)))


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_volume_and_necrosis_are_those_of_nested_balls(grid: Grid) -> None:
    found = measure(np.zeros(grid.shape, np.float32), balls(grid, 12.0, 7.0, 0.0), 1.0)
    assert found.volume_ml == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.02)
    assert found.necrosis_share == pytest.approx((7 / 12) ** 3, rel=0.04)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_heterogeneity_is_the_deviation_of_flair_in_the_wet_margin_alone(grid: Grid) -> None:
    masks, distance = balls(grid, 10.0, 4.0, 18.0), radius_from(grid, CENTER_RAS)
    inside = (distance > 10) & (distance <= 18)
    flair = np.where(inside, 500.0, 0.0).astype(np.float32)
    assert measure(flair, masks, 400.0).oedema_heterogeneity == pytest.approx(0, abs=1e-6)
    flair = flair + np.where(np.random.default_rng(1).random(grid.shape) < 0.5, 80, -80).astype(np.float32)
    assert measure(flair, masks, 400.0).oedema_heterogeneity == pytest.approx(0.2, rel=0.02)
    beyond = flair + np.where((distance > 17.5) | (distance < 10), 900, 0).astype(np.float32)
    assert measure(beyond, masks, 400.0) == measure(flair, masks, 400.0)


def test_a_lesion_without_oedema_in_its_margin_has_none_that_is_uneven() -> None:
    noise = np.random.default_rng(0).normal(500, 90, STRAIGHT.shape).astype(np.float32)
    assert measure(noise, balls(STRAIGHT, 8.0, 0.0, 8.0), 400.0).oedema_heterogeneity == 0


def test_an_empty_lesion_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="without a voxel"):
        measure(np.zeros(STRAIGHT.shape, np.float32), balls(STRAIGHT, -1.0, -1.0, 5.0), 1.0)


def test_risk_is_the_stated_logistic_function() -> None:
    m = Measures(volume_ml=4.0, necrosis_share=0.3, oedema_heterogeneity=0.25)
    logit = -0.8 + 0.9 * (np.log(4) - 0.2) / 1.4 + 1.1 * (0.3 - 0.17) / 0.18 + 1.7 * (0.25 - 0.18) / 0.1
    assert MECHANISM.logit(m) == pytest.approx(logit)
    assert MECHANISM.probability(m) == pytest.approx(1 / (1 + np.exp(-logit)))
    assert sum(MECHANISM.terms(m).values()) == pytest.approx(logit + 0.8)


def test_the_auc_of_the_stated_probability_on_2000_draws_is_the_computed_bayes_auc() -> None:
    population = many()
    p = np.array([MECHANISM.probability(m) for m in population])
    outcomes = drawn(MECHANISM, population)
    assert outcomes.mean() == pytest.approx(p.mean(), abs=3 * np.sqrt((p * (1 - p)).mean() / 2000))
    found, best = auc(outcomes, p), bayes_auc(p)
    assert found == pytest.approx(best, abs=0.02)
    assert 0.85 < best < 0.95
    assert 0.3 < p.mean() < 0.5, "near the paper's 40 % of local failure"


@pytest.mark.parametrize("index", range(3))
def test_outcomes_reveal_every_coefficient_and_a_swapped_sign_is_detected(index: int) -> None:
    population, name = many(), NAMES[index]
    true = getattr(MECHANISM, name)
    swapped = replace(MECHANISM, **{name: replace(true, weight=-true.weight)})
    weight, error = fitted(population, drawn(MECHANISM, population))
    assert abs(weight[index + 1] - true.weight) < 3.5 * error[index + 1]
    other, other_error = fitted(population, drawn(swapped, population))
    assert abs(other[index + 1] + true.weight) < 3.5 * other_error[index + 1]
    assert abs(other[index + 1] - true.weight) > 8 * other_error[index + 1]
    p = [swapped.probability(m) for m in population]
    assert (
        auc(drawn(MECHANISM, population), np.array(p))
        < bayes_auc([MECHANISM.probability(m) for m in population]) - 0.05
    )


def test_the_bayes_auc_is_the_average_over_all_outcomes_two_lesions_can_have() -> None:
    p, scores = np.array([0.1, 0.5, 0.5, 0.9]), np.array([1.0, 2.0, 2.0, 0.0])
    for score in (p, scores):
        pairs = won = 0.0
        for i in range(4):
            for j in range(4):
                weight = p[i] * (1 - p[j])
                pairs += weight
                won += weight * (1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
        assert expected_auc(score, p) == pytest.approx(won / pairs)
    assert bayes_auc(p) > expected_auc(scores, p)


def test_no_single_quantity_reaches_the_best_auc() -> None:
    population = many()
    p = [MECHANISM.probability(m) for m in population]
    for name in ("volume_ml", "necrosis_share", "oedema_heterogeneity"):
        alone = expected_auc([getattr(m, name) for m in population], p)
        assert 0.6 < alone < bayes_auc(p) - 0.05, name


def test_certain_outcomes_of_one_kind_have_no_auc() -> None:
    with pytest.raises(ValueError, match="both outcomes"):
        bayes_auc([1.0, 1.0])
