"""The options of `lesionlens explain` reach the method: fill, region, coarse to fine, layer, sigma, mode, surface."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from predict_files import PredictFiles, ball, report_of, result_of, tumour_ras
from sarcoma_cases import GRID
from test_explain_contract import explain

from LesionLensLib.cli.main import main
from LesionLensLib.cli.run import results_table
from LesionLensLib.display.polydata import point_arrays_of, points_of
from LesionLensLib.explain.surface.surface_files import read_surface
from LesionLensLib.images import Volume, read_volume

QUICK = ("--no-checks", "--surface=none")


def test_the_fill_that_was_asked_for_stands_in_for_the_cubes(predict_files: PredictFiles) -> None:
    maps = {}
    for fill in ("zero", "blurred"):
        call = predict_files.call(f"fill-{fill}")
        assert main(explain(call, "--size-mm=24", f"--fill={fill}", *QUICK)) == 0
        assert report_of(call.output)["settings"]["fill"] == fill
        maps[fill] = read_volume(call.output / "map.nrrd").array
    assert not np.allclose(maps["zero"], maps["blurred"], atol=1e-4)


def test_a_region_of_interest_leaves_everything_far_from_it_at_zero(predict_files: PredictFiles) -> None:
    near = ball(8.0, tumour_ras())
    path = predict_files.written("near", Volume(near, GRID))
    call, whole = predict_files.call("within"), predict_files.call("everywhere")
    assert main(explain(call, "--size-mm=8", f"--within={path}", *QUICK)) == 0
    assert main(explain(whole, "--size-mm=8", *QUICK)) == 0
    impact, everywhere = (read_volume(each.output / "map.nrrd").array for each in (call, whole))
    assert result_of(call.output)["cubes"] < result_of(whole.output)["cubes"] / 3
    assert not impact[ball(8.0 + 3 * 8.0, tumour_ras()) == 0].any()
    assert everywhere[ball(8.0 + 3 * 8.0, tumour_ras()) == 0].any()
    middle = ball(3.0, tumour_ras()) != 0
    assert middle.any()
    assert np.allclose(impact[middle], everywhere[middle], atol=1e-6), "the same cubes, the same impacts"


def test_coarse_to_fine_tells_how_little_it_looked_at_closely(predict_files: PredictFiles) -> None:
    call = predict_files.call("coarse")
    assert main(explain(call, "--size-mm=6", "--coarse-to-fine=2", *QUICK)) == 0
    settings, refined = report_of(call.output)["settings"], result_of(call.output)["refinement"]
    assert settings["coarse_to_fine"] == 2
    assert len(refined["cubes"]) == 3
    assert sum(refined["cubes"]) == result_of(call.output)["cubes"]
    assert 0 < refined["uncut_share"] < 1


def test_smocam_takes_the_sigma_the_layer_and_the_mode_that_are_given(predict_files: PredictFiles) -> None:
    """The model has no table of its training, so that sigma must be given."""
    call = predict_files.call("own-sigma")
    own = ("--sigma=0.5", "--layer=level 1", "--mode=preserving")
    assert main(explain(call, "--method=smocam", *own, *QUICK)) == 0
    settings = report_of(call.output)["settings"]
    assert (settings["sigma"], settings["layer"], settings["mode"]) == (0.5, "level 1", "preserving")


def test_grad_cam_looks_at_the_layer_that_is_named_and_lists_them_for_a_wrong_name(
    predict_files: PredictFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = []
    for name in ("level 1", "level 2"):
        call = predict_files.call(name.replace(" ", "-"))
        assert main(explain(call, "--method=gradcam", f"--layer={name}", *QUICK)) == 0
        settings = report_of(call.output)["settings"]
        assert settings["layer"] == name
        sizes.append(settings["layer_size"])
    assert sizes[0] == [2 * side for side in sizes[1]]
    wrong = predict_files.call("wrong-layer")
    assert main(explain(wrong, "--method=gradcam", "--layer=last", *QUICK)) == 2
    assert "level 1 of PET" in capsys.readouterr().err
    assert not wrong.output.exists()


def test_an_option_that_the_method_does_not_use_is_no_secret(predict_files: PredictFiles) -> None:
    call = predict_files.call("unused")
    assert main(explain(call, "--method=gradcam", "--size-mm=4", "--per-channel", *QUICK)) == 0
    told = {finding["code"]: finding["text"] for finding in report_of(call.output)["findings"]}
    assert told["unused-options"] == "The method gradcam does not use --size-mm, --per-channel."


def test_the_paper_s_surface_has_its_points_beside_it_and_other_formats(predict_files: PredictFiles) -> None:
    call = predict_files.call("points")
    more = ("--surface-way=points", "--export", "ply", "obj", "--no-checks")
    assert main(explain(call, "--method=gradcam", *more)) == 0
    names = {path.name for path in call.output.iterdir()}
    assert names >= {"surface.vtp", "surface.ply", "surface.obj", "points.ply", "points-unit.ply"}
    surface = read_surface(call.output / "surface.vtp")
    assert np.linalg.norm(points_of(surface).mean(0) - tumour_ras()) < 4.0
    assert {"impact", "rgb"} <= set(point_arrays_of(surface))
    head = (call.output / "points-unit.ply").read_bytes()[:400]
    assert b"R_mm = " in head, "the way back to mm"
    assert report_of(call.output)["settings"]["surface_way"] == "points"


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (("--fill=noise",), "invalid choice"),
        (("--coarse-to-fine=9",), "Cubes cannot be doubled 9 times"),
        (("--sigma=-1",), "Sigma is a number above 0"),
        (("--surface=lesion+999mm",), "There is no surface lesion+999mm"),
        (("--within=nowhere.nii.gz",), "nowhere.nii.gz"),
    ],
)
def test_bad_options_are_said_in_plain_words(
    predict_files: PredictFiles, capsys: pytest.CaptureFixture[str], extra: tuple[str, ...], told: str
) -> None:
    call = predict_files.call("bad-option")
    assert main(explain(call, *extra)) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert not call.output.exists()


def test_a_region_far_from_what_the_network_sees_is_refused(
    predict_files: PredictFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    far = predict_files.written("far", Volume(np.ones((4, 4, 4), np.uint8), GRID.cropped((-900, 0, 0), (4, 4, 4))))
    call = predict_files.call("far")
    assert main(explain(call, f"--within={far}", *QUICK)) == 2
    assert "outside of the part of the images" in capsys.readouterr().err
    assert not call.output.exists()


def test_small_numbers_are_not_shown_as_nothing_and_empty_words_not_at_all(tmp_path: Path) -> None:
    result = {"noise": 2.5e-7, "share": 0.25, "error": 0.0, "evaluation_because": "", "text": "done"}
    table = results_table(tmp_path, {"result": result, "outputs": []})
    shown = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in table.splitlines()}
    assert (shown["noise"], shown["share"], shown["error"], shown["text"]) == ("2.5e-07", "0.250", "0.000", "done")
    assert "evaluation because" not in shown


def test_an_explanation_too_says_that_the_lesion_is_larger_than_the_view(predict_files: PredictFiles) -> None:
    long = np.zeros(GRID.shape, np.uint8)
    long[2:16, 9:13, 11:15] = 1
    call = predict_files.call("long").with_mask(predict_files.written("long", Volume(long, GRID)))
    assert main(explain(call, "--method=gradcam", *QUICK)) == 0
    told = {finding["code"]: finding["text"] for finding in report_of(call.output)["findings"]}
    assert "% of lesion 1 lie outside of what the network sees" in told["beyond-field-of-view"]
