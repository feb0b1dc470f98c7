"""What is said of a quick estimate that lies far from what was measured."""

from __future__ import annotations

from LesionLensLib.inference.hemispheres import SideLoads
from LesionLensLib.inference.quick_estimate import FAR_APART, QuickEstimate


def test_more_than_twice_the_usual_error_apart_is_said_and_less_is_not() -> None:
    measured = SideLoads(left_ml=3.0, right_ml=3.4)
    for total_ml, is_far in ((22.6, True), (13.1, True), (12.9, False), (0.0, False)):
        estimate = QuickEstimate(SideLoads(total_ml / 2, total_ml / 2), 3.3, "vgg-lesion-load", "")
        assert estimate.text(measured).endswith(FAR_APART) is is_far, total_ml


def test_without_a_known_error_nothing_can_be_called_far() -> None:
    estimate = QuickEstimate(SideLoads(50.0, 50.0), None, "own", "")
    assert FAR_APART not in estimate.text(SideLoads(0.0, 0.0))
