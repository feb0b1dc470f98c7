"""The parts a prediction is made of: targets, the box cut out of a large scan, outlines laid over, the ladder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sarcoma_cases import GRID, make_patient, place_ras
from torch import Tensor, nn

from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.geometry import Grid
from LesionLensLib.images import Volume
from LesionLensLib.images.lesion_mask import count_lesions, split_lesions
from LesionLensLib.images.resample import resample
from LesionLensLib.inference import outcome_ladder
from LesionLensLib.inference.cpu import PLAIN
from LesionLensLib.inference.device import DeviceChoice
from LesionLensLib.inference.field_of_view import (
    FieldOfView,
    centroid_ras,
    covered,
    crop_around,
    part_around,
    sample_box,
)
from LesionLensLib.inference.lesion_outline import OutlineMap, segments_of
from LesionLensLib.inference.lesion_target import Target, outside_share, target_at, targets_in
from LesionLensLib.inference.outcome_ladder import EnsembleAnswer, ask_with_ladder
from LesionLensLib.inference.outcome_network import OutcomeNetworks
from LesionLensLib.inference.outcome_pass import OutcomeAnswer, ask_networks, feature_vectors
from LesionLensLib.inference.prediction import LesionPrediction, prediction_findings
from LesionLensLib.model_card import Label
from LesionLensLib.networks.chmfl import ChmflOutput
from LesionLensLib.networks.chmfl_variants import build_chmfl, side_multiple
from LesionLensLib.outcome.risk_interval import Risk
from LesionLensLib.outcome.typicality import Typicality

CPU = DeviceChoice("cpu", "a test", PLAIN, 1)


def test_a_box_cut_out_of_a_large_scan_has_the_values_of_the_whole_scan_blurred() -> None:
    """The scan has finer voxels than the box along two axes, so that it is blurred; the box reaches over its border."""
    rng = np.random.default_rng(0)
    fine = Grid((60, 50, 40), (1.0, 1.5, 4.0), (-20.0, -30.0, 5.0), GRID.direction_lps)
    scan = Volume(rng.normal(0, 100, fine.shape).astype(np.float32), fine)
    for ijk in ((30, 25, 20), (2, 45, 38)):
        grid = FieldOfView((24.0, 24.0, 24.0), 3.0, 4).grid(fine, fine.ras_from_ijk(ijk))
        cut = crop_around(scan, grid, (3, 3, 1))
        assert cut.array.size < scan.array.size / 2
        # A larger neighbourhood of the scan must not change anything.
        whole = sample_box(crop_around(scan, grid, (60, 60, 60)), grid, -1000.0)
        assert np.abs(sample_box(scan, grid, -1000.0).array - whole.array).max() < 1e-3
        by_itk = _blurred_whole(scan, grid)
        assert np.abs(sample_box(scan, grid, -1000.0).array - by_itk).max() < 1e-3


def _blurred_whole(scan: Volume, grid: Grid) -> np.ndarray:
    from scipy import ndimage

    sigmas = [np.sqrt(max(9.0 - s**2, 0.0)) / 2.3548 / s for s in scan.grid.spacing_mm[::-1]]
    blurred = ndimage.gaussian_filter(scan.array, sigmas, mode="nearest", truncate=3.0)
    return resample(scan.with_array(blurred), grid, "linear", fill=-1000.0).array


def test_the_part_of_a_scan_around_a_grid_holds_all_of_it_and_is_never_empty() -> None:
    box = FieldOfView((16.0, 16.0, 16.0), 4.0, 2).grid(GRID, place_ras(1))
    part = part_around(GRID, box)
    touched = np.argwhere(covered(GRID, box))
    for axis, (low, high) in enumerate(zip(touched.min(0), touched.max(0), strict=True)):
        assert part[axis].start <= low
        assert part[axis].stop > high
    far = FieldOfView((16.0, 16.0, 16.0), 4.0, 2).grid(GRID, GRID.ras_from_ijk((-90, 400, 5)))
    assert all(axis.stop - axis.start >= 1 for axis in part_around(GRID, far))


def test_lesions_of_a_mask_are_numbered_from_the_largest_and_small_ones_left_out() -> None:
    array = np.zeros(GRID.shape, np.uint8)
    array[3:5, 3:6, 3:6] = 1
    array[9:13, 9:13, 9:13] = 1
    array[15, 20, 20] = 1
    reference = Volume(np.zeros(GRID.shape, np.float32), GRID)
    large, small = targets_in(Volume(array, GRID), reference, 0.5)
    assert (large.number, small.number) == (1, 2)
    assert large.volume_ml == pytest.approx(64 * GRID.voxel_ml)
    assert small.volume_ml == pytest.approx(18 * GRID.voxel_ml)
    assert large.center_ras == pytest.approx(GRID.ras_from_ijk((10.5, 10.5, 10.5)))
    assert len(targets_in(Volume(array, GRID), reference, 0.0)) == 3
    with pytest.raises(UserError, match="no lesion of at least 50 ml"):
        targets_in(Volume(array, GRID), reference, 50.0)


def test_a_mask_drawn_on_the_pet_is_laid_on_the_ct_by_its_matrix() -> None:
    lesion = make_patient(4, 1)["lesion"]
    finer = lesion.grid.with_spacing((2.0, 2.0, 2.0))
    (target,) = targets_in(resample(lesion, finer, "nearest"), Volume(np.zeros(GRID.shape), GRID), 0.5)
    assert target.mask is not None
    k, j, i = np.argwhere(target.mask.array)[0]
    k0, j0, i0 = np.argwhere(resample(lesion, GRID, "nearest").array)[0]
    assert target.mask.grid.ras_from_ijk((i, j, k)) == pytest.approx(GRID.ras_from_ijk((i0, j0, k0)), abs=1e-6)
    assert target.center_ras == pytest.approx(place_ras(4), abs=1.5)


def test_a_point_must_lie_in_the_image() -> None:
    reference = Volume(np.zeros(GRID.shape, np.float32), GRID)
    corner = GRID.ras_from_ijk((-0.4, 23.4, 17.4))
    assert target_at(corner, reference, "CT").center_ras == pytest.approx(corner)
    with pytest.raises(UserError, match="outside of CT"):
        target_at(GRID.ras_from_ijk((-0.6, 5, 5)), reference, "CT")


def test_where_outlines_overlap_the_surer_network_has_the_voxel() -> None:
    grid = Grid((20, 10, 10), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0), GRID.direction_lps)
    outlines = OutlineMap(grid)
    left, right = grid.cropped((0, 0, 0), (12, 10, 10)), grid.cropped((8, 0, 0), (12, 10, 10))
    assert outlines.add(1, Volume(np.full(left.shape, 0.7, np.float32), left)) == pytest.approx(1200 * 0.008)
    sure = np.full(right.shape, 0.9, np.float32)
    sure[:5] = 0.6
    assert outlines.add(2, Volume(sure, right)) == pytest.approx(1200 * 0.008), "its own volume, whoever has the voxel"
    assert np.all(outlines.labels[:, :, :8] == 1)
    assert np.all(outlines.labels[:, :, 12:] == 2)
    assert np.all(outlines.labels[:5, :, 8:12] == 1)
    assert np.all(outlines.labels[5:, :, 8:12] == 2)


def test_an_outline_far_from_the_image_adds_nothing() -> None:
    outlines = OutlineMap(GRID)
    far = FieldOfView((16.0, 16.0, 16.0), 4.0, 2).grid(GRID, GRID.ras_from_ijk((300, 5, 5)))
    assert outlines.add(1, Volume(np.ones(far.shape, np.float32), far)) == 0.0
    assert not outlines.labels.any()


def test_segments_of_several_lesions_are_numbered_and_carry_the_note() -> None:
    label = Label(1, "tumour", "Tumour", (0.9, 0.2, 0.2), "terms")
    assert [s.name for s in segments_of(label, 1)] == ["Tumour"]
    several = segments_of(label, 2, "simulated")
    assert [(s.id, s.name, s.value) for s in several] == [
        ("tumour-1", "Tumour 1 (simulated)", 1), ("tumour-2", "Tumour 2 (simulated)", 2)
    ]  # fmt: skip


class _Steady(nn.Module):
    """Answers with a constant logit; as the bare tensor of a network that outlines nothing."""

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor([[0.0, logit]]))
        self.conv = nn.Conv3d(2, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.logit


def test_a_network_without_an_outline_answers_with_its_logits_alone() -> None:
    answer = ask_networks([_Steady(1.0), _Steady(2.0)], torch.zeros(1, 2, 4, 4, 4), views=3)
    assert (answer.logit, answer.tumour) == (1.5, None)
    assert answer.probability == pytest.approx(1 / (1 + np.exp(-1.5)))
    assert feature_vectors([_Steady(1.0)], torch.zeros(1, 2, 4, 4, 4)) is None
    assert feature_vectors([], torch.zeros(1, 2, 4, 4, 4)) is None


def test_leaving_the_outline_out_does_not_change_the_logit() -> None:
    torch.manual_seed(0)
    network = build_chmfl(levels=2, base_width=2, hidden=[8]).eval()
    x = torch.randn(1, 2, 8, 8, 8)
    whole, alone = ask_networks([network], x, 4), ask_networks([network], x, 4, outline=False)
    assert whole.tumour is not None
    assert alone.tumour is None
    assert alone.logit == pytest.approx(whole.logit, abs=1e-6)
    (vector,) = np.asarray(feature_vectors([network], x))
    with torch.inference_mode():
        logits = network.head.layers(torch.tensor(vector[None], dtype=torch.float32))[0]
    assert float(logits[1] - logits[0]) == pytest.approx(ask_networks([network], x).logit, abs=1e-5)


def test_sides_of_the_box_suit_the_levels_of_the_network() -> None:
    assert side_multiple() == 16
    assert side_multiple("cfl", levels=4, base_width=16) == 8
    network = build_chmfl("chmfl", levels=3, base_width=2, hidden=[4])
    assert side_multiple("chmfl", levels=3) == network.multiple


class _Hungry(nn.Module):
    """Runs out of memory wherever it is run."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2, 4, 1)

    def forward(self, x: Tensor) -> ChmflOutput:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


def test_out_of_memory_on_every_rung_is_the_environments_fault() -> None:
    networks = OutcomeNetworks((_Hungry(),), ())
    with pytest.raises(EnvironmentFault, match="not enough memory for images of 4 x 4 x 4") as caught:
        ask_with_ladder(networks, np.zeros((2, 4, 4, 4), np.float32), CPU, lambda fraction, text: None)
    assert "ran out of memory" in caught.value.detail


def test_views_side_by_side_say_what_they_say_one_after_another() -> None:
    torch.manual_seed(0)
    network, x = build_chmfl(levels=2, base_width=2, hidden=[8]).eval(), torch.randn(1, 2, 8, 8, 8)
    single, together = (ask_networks([network], x, 8, at_once=count) for count in (1, 3))
    assert together.logit == pytest.approx(single.logit, abs=1e-5)
    assert single.tumour is not None
    assert together.tumour == pytest.approx(single.tumour, abs=1e-5)


def test_too_little_memory_for_all_cores_means_one_view_at_a_time_and_so_does_lean() -> None:
    network, shape = build_chmfl(levels=2, base_width=2, hidden=[8]), (2, 64, 64, 64)
    together, single = outcome_ladder._rungs(network, shape, CPU, lean=False)
    assert (together.lean, single.lean) == (False, True)
    assert single.bytes_needed > 64**3 * 2 * 72
    assert together.bytes_needed == outcome_ladder.views_at_once() * single.bytes_needed
    assert outcome_ladder._rungs(network, shape, CPU, lean=True) == [single]
    on_gpu = outcome_ladder._rungs(network, shape, replace(CPU, device="cuda:0"), lean=False)
    assert [rung.choice.device for rung in on_gpu] == ["cuda:0", "cpu", "cpu"]
    assert on_gpu[0].bytes_needed == single.bytes_needed


def test_lean_gives_the_same_answer_and_is_named_in_the_steps() -> None:
    torch.manual_seed(0)
    networks = OutcomeNetworks((build_chmfl(levels=2, base_width=2, hidden=[8]).eval(),), (), views=4)
    values = np.random.default_rng(0).random((2, 8, 8, 8), np.float32)
    usual, lean = (ask_with_ladder(networks, values, CPU, lambda f, t: None, lean=lean) for lean in (False, True))
    assert lean[0].final.logit == pytest.approx(usual[0].final.logit, abs=1e-5)
    assert usual[1] == ("whole field of view: done (plain float32)",)
    assert lean[1] == ("whole field of view, one view at a time: done (plain float32)",)


def test_a_full_device_gives_way_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first rung is a device of which no memory is free."""
    tried: list[str] = []

    def rungs(*arguments: Any) -> list[Any]:
        first = outcome_ladder.Rung("whole field of view on cuda:0", CPU, 10**18)
        return [first, outcome_ladder.Rung("whole field of view on the CPU", CPU, 1)]

    monkeypatch.setattr(outcome_ladder, "_rungs", rungs)
    networks = OutcomeNetworks((_Steady(0.5),), ((_Steady(1.0),), (_Steady(3.0),)))
    answer, steps = ask_with_ladder(
        networks, np.zeros((2, 4, 4, 4), np.float32), CPU, lambda fraction, text: tried.append(text)
    )
    assert (answer.final.logit, answer.fold_logits, answer.features) == (0.5, (1.0, 3.0), None)
    assert steps[0].startswith("whole field of view on cuda:0: not tried")
    assert steps[1] == "whole field of view on the CPU: done (plain float32)"
    assert tried[-1] == "whole field of view on the CPU"


def test_a_lesion_parted_from_a_large_scan_keeps_its_place_and_carries_only_room_around_it() -> None:
    """The mask that a lesion gets must look to the network as the whole image's mask would."""
    fine = Grid((150, 120, 90), (0.6, 0.7, 1.1), (-20.0, -30.0, 5.0), GRID.direction_lps)
    array = np.zeros(fine.shape, np.uint8)
    array[40:52, 50:70, 60:85] = 1
    array[0:6, 0:9, 0:12] = 1
    mask = Volume(array, fine)
    first, corner = split_lesions(mask)
    assert first.array.size < array.size / 4
    assert count_lesions(mask) == 2
    assert count_lesions(mask, 1.0) == 1
    for part, box in ((first, np.s_[40:52, 50:70, 60:85]), (corner, np.s_[0:6, 0:9, 0:12])):
        whole = np.zeros_like(array)
        whole[box] = 1
        center = centroid_ras(Volume(whole, fine))
        assert centroid_ras(part) == pytest.approx(center, abs=1e-6)
        grid = FieldOfView((40.0, 40.0, 40.0), 4.0, 2).grid(fine, center)
        seen, expected = sample_box(part, grid, 0.0).array, sample_box(Volume(whole, fine), grid, 0.0).array
        assert expected.max() > 0.5
        assert np.abs(seen - expected).max() < 1e-5


def test_what_of_a_lesion_the_network_does_not_see_is_measured() -> None:
    fine = Grid((60, 30, 30), (2.0, 2.0, 2.0), (0.0, 0.0, 0.0))
    array = np.zeros(fine.shape, np.uint8)
    array[10:20, 10:20, 10:50] = 1
    (target,) = targets_in(Volume(array, fine), Volume(np.zeros(fine.shape, np.float32), fine), 0.5)
    # The lesion is 80 mm long, the view 40 mm around its middle.
    view = FieldOfView((40.0, 40.0, 40.0), 2.0, 2).grid(fine, target.center_ras)
    assert outside_share(target, view) == pytest.approx(0.5)
    assert outside_share(target_at(target.center_ras, Volume(array, fine), "CT"), view) is None


def test_a_warning_on_one_of_several_lesions_names_it() -> None:
    target = Target(7, np.zeros(3))
    unlike = Typicality(100.0, ("intensity",), True, "Unlike every training case.")
    answer = EnsembleAnswer(OutcomeAnswer(0.0, None), (), None)
    found = LesionPrediction(target, answer, Risk(0.5, 0.0, 1.0), False, unlike, None)
    assert [finding.text for finding in prediction_findings(found, True)] == ["Lesion 7: Unlike every training case."]
    assert [finding.text for finding in prediction_findings(found)] == ["Unlike every training case."]


def test_an_ensemble_gives_the_features_of_its_folds_first_networks_from_the_plain_view() -> None:
    """They come from the pass that gives the logit, and are those that the training cases were described by."""
    torch.manual_seed(0)
    first, second, third = (build_chmfl(levels=2, base_width=2, hidden=[8]).eval() for _ in range(3))
    networks = OutcomeNetworks((first, second), ((first, third), (second, third)), views=4)
    values = np.random.default_rng(0).random((2, 8, 8, 8), np.float32)
    answer, _ = ask_with_ladder(networks, values, CPU, lambda fraction, text: None)
    expected = feature_vectors([first, second], torch.from_numpy(values)[None])
    assert answer.features is not None
    assert np.array_equal(answer.features, np.asarray(expected))
