"""`lesionlens view`: a result folder as a page that only this computer sees, clicked and wheeled in a real browser."""

from __future__ import annotations

import http.client
import importlib.util
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from case_files import check_said, hashes
from predict_files import PredictFiles, make_case
from scene.result_case import MARK_RAS, oblique_grid
from scene.result_case import make_case as make_head
from view_page import (
    VIEWS,
    as_result,
    colored,
    open_page,
    pixels,
    running_chromium,
    running_view,
    viewer_python,
    wait_until,
)

from LesionLensLib import viewer_child
from LesionLensLib.cli.main import main
from LesionLensLib.web.result import made_with, read_report, read_rows, sentences

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="module")
def head_result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of a head on an oblique left-handed grid with a large lesion on its left; without a scene."""
    return as_result(make_head(tmp_path_factory.mktemp("head"), oblique_grid(left_handed=True), "simulated"))


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["view", *arguments, "--no-browser"])
    return code, capsys.readouterr().err


def test_a_folder_that_is_no_result_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = error_of(capsys, str(tmp_path / "nowhere"))
    assert code == 2
    check_said(said, "there is no folder nowhere")
    code, said = error_of(capsys, str(tmp_path))
    assert code == 2
    check_said(said, "is no result of LesionLens")


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_number_that_is_no_port_is_refused(
    head_result: Path, port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = error_of(capsys, str(head_result), f"--port={port}")
    assert code == 2
    check_said(said, f"{port} is no port")


def test_a_port_in_use_is_refused(head_result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, said = error_of(capsys, str(head_result), f"--port={port}")
    assert code == 2
    check_said(said, f"the port {port} cannot be used")


def test_without_the_environment_the_remedy_has_the_commands_that_make_it(
    head_result: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(viewer_child.VARIABLE, raising=False)
    monkeypatch.setattr(viewer_child, "ENVIRONMENT", tmp_path)
    monkeypatch.setattr(viewer_child, "PACKAGE", "no_such_package")
    code, said = error_of(capsys, str(head_result))
    assert code == 3
    check_said(said, "needs trame-slicer in an environment of its own")
    for command in ("make view-env", "pip install -r requirements-view.lock", "--python", viewer_child.VARIABLE):
        assert command in said


def test_a_python_that_is_none_is_refused_wherever_it_was_named(
    head_result: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = error_of(capsys, str(head_result), "--python=/no/such/python")
    assert code == 2
    check_said(said, "--python names no Python")
    monkeypatch.setenv(viewer_child.VARIABLE, "/no/such/python")
    code, said = error_of(capsys, str(head_result))
    assert code == 2
    check_said(said, "LESIONLENS_VIEWER_PYTHON names no Python")


def test_a_python_without_trame_slicer_says_so_from_the_child(
    head_result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if importlib.util.find_spec("trame_slicer") is not None:
        pytest.skip("this Python has trame-slicer")
    code, said = error_of(capsys, str(head_result), f"--python={sys.executable}")
    assert code == 3
    check_said(said, "environment is not complete: trame-slicer is missing")


def test_a_child_that_ends_without_a_word_is_an_error_of_the_environment(
    head_result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = error_of(capsys, str(head_result), "--python=/bin/false")
    assert code == 3
    check_said(said, "ended unexpectedly (code 1)")


def test_the_text_beside_the_pictures_is_that_of_the_report(head_result: Path) -> None:
    report = read_report(head_result)
    assert made_with(report) == "Model rsanet-ms 1.0: demonstration weights, simulated outcome."
    found, warning = sentences(report)
    volume = report["result"]["lesion_volume_ml"]
    assert found == f"Found: 2 lesions, {volume:.2f} ml in all."
    assert warning == "Warning: Slices are thick <b>here</b>."


def test_rows_lead_to_the_centres_of_the_lesions(head_result: Path) -> None:
    table = read_rows(head_result, read_report(head_result))
    assert [row.cells[0] for row in table.rows] == ["1", "2"]
    assert len(table.titles) == len(table.rows[0].cells) == 4
    place = table.rows[0].ras
    assert place is not None
    assert np.linalg.norm(np.subtract(place, MARK_RAS)) < 1.0


# With the environment of the viewer.


@pytest.fixture(scope="module")
def served(head_result: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page of the head, with its scene, served by the command."""
    pytest.importorskip("slicer", reason="slicer-core is not installed (optional group: scene)")
    viewer_python()
    from LesionLensLib.scene_child import draw_in_child

    image = head_result.parent / "FLAIR.nii.gz"
    draw_in_child(head_result, {"FLAIR": str(image)}, "FLAIR", brain_mask=str(head_result.parent / "brain.nrrd"))
    before = hashes(head_result)
    with running_view(head_result, tmp_path_factory.mktemp("served")) as (_, address):
        yield address
    assert hashes(head_result) == before, "nothing is written"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(chromium: Any, served: str) -> tuple[Any, list[str]]:
    return open_page(chromium, served)


def places(page: Any) -> list[str]:
    return [page.locator(f"#place-{name}").inner_text() for name in ("Yellow", "Green", "Red")]


def numbers(page: Any) -> list[float]:
    """Return where the sagittal, coronal and axial slice stand (R, A, S in mm) by their own words."""
    return [float(text.split()[1]) * (1 if text[0] in "RAS" else -1) for text in places(page)]


@pytest.mark.slow
def test_the_page_shows_pictures_words_and_rows_and_asks_nobody_else(page: tuple[Any, list[str]]) -> None:
    shown, elsewhere = page
    assert shown.title() == "LesionLens, rsanet-ms: result"
    assert "token" not in shown.url
    assert shown.locator("#research").inner_text() == "Research use only; not a medical device."
    assert "simulated outcome" in shown.locator("#model").inner_text()
    words = shown.locator(".said").all_inner_texts()
    assert words[0].startswith("Found: 2 lesions")
    assert words[1] == "Warning: Slices are thick <b>here</b>.", "text, not markup"
    assert shown.locator("#rows tbody tr").count() == 2
    for name in VIEWS:
        image = pixels(shown, name)
        assert image.max() > 100
        assert np.ptp(image) > 60, name
    assert elsewhere == []


@pytest.mark.slow
def test_a_click_on_a_row_moves_all_slices_to_the_lesion_on_the_right_side_of_the_picture(
    page: tuple[Any, list[str]], head_result: Path
) -> None:
    shown, _ = page
    rows = read_rows(head_result, read_report(head_result)).rows
    for index in (1, 0):
        before = pixels(shown, "Red")
        shown.locator("#rows tbody tr").nth(index).click()
        wait_until(lambda index=index: np.allclose(numbers(shown), rows[index].ras, atol=0.06))
        wait_until(lambda before=before: bool((pixels(shown, "Red") != before).any()))
    assert places(shown)[0].startswith("L "), "the first lesion lies in the patient's left"
    wait_until(lambda: bool(colored(pixels(shown, "Red")).sum() > 50))
    height, width = pixels(shown, "Red").shape[:2]
    where = np.argwhere(colored(pixels(shown, "Red"))).mean(0)
    assert where[1] > width / 2 + 20, "the patient's left is on the right of the screen"
    assert where[0] < height / 2, "and the front is up"


@pytest.mark.slow
def test_the_wheel_moves_the_slice_under_the_mouse_and_no_other(page: tuple[Any, list[str]]) -> None:
    shown, _ = page
    before, picture = numbers(shown), pixels(shown, "Red")
    left, top, width, height = VIEWS["Red"]
    shown.mouse.move(left + width / 2, top + height / 2)
    shown.mouse.wheel(0, -300)
    wait_until(lambda: numbers(shown)[2] != before[2])
    assert numbers(shown)[:2] == before[:2]
    assert 0.5 < abs(numbers(shown)[2] - before[2]) < 40
    wait_until(lambda: bool((pixels(shown, "Red") != picture).any()))


@pytest.mark.slow
def test_a_map_lies_over_the_image_with_its_legend_and_outlines_can_be_hidden(page: tuple[Any, list[str]]) -> None:
    shown, _ = page
    shown.locator("#rows tbody tr").nth(0).click()
    wait_until(lambda: places(shown)[0].startswith("L "))
    shown.locator("#outlines").uncheck()
    wait_until(lambda: not colored(pixels(shown, "Green"))[:, :300].any())
    shown.locator(".v-select").click()
    shown.get_by_role("option", name="Lesion probability").click()
    wait_until(lambda: bool(colored(pixels(shown, "Green"))[:, 400:].sum() > 300))
    picture = pixels(shown, "Green")
    bar, lesion = picture[:, 400:][colored(picture[:, 400:])], picture[:, 240:400][colored(picture[:, 240:400])]
    red, green, blue = bar[:, 0], bar[:, 1], bar[:, 2]
    assert ((red > 200) & (green > 150) & (blue < 120)).any(), "inferno's yellow for high values"
    assert ((blue > 60) & (green < 40)).any(), "and its violet for low ones"
    assert lesion[:, 0].mean() > lesion[:, 2].mean() + 60, "the lesion is probable"


def ask(address: str, path: str, method: str = "GET", **headers: str) -> Answer:
    """Ask for a path as it stands, which a browser would tidy up first."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    answer = response.status, dict(response.getheaders()), response.read()
    connection.close()
    return answer


@pytest.mark.slow
def test_without_the_token_nothing_is_answered_and_with_it_no_file_outside_of_the_page(served: str) -> None:
    place = urlsplit(served)
    assert place.hostname == "127.0.0.1"
    for path in ("/", "/index.html", "/ws", "/?token=", "/?token=wrong", "/report.json"):
        assert ask(served, path)[0] == 403, path
    status, headers, _ = ask(served, f"/?{place.query}")
    assert status == 303
    assert {"HttpOnly", "SameSite=Strict"} <= set(headers["Set-Cookie"].split("; "))
    cookie = {"Cookie": headers["Set-Cookie"].split(";")[0]}
    status, headers, body = ask(served, "/index.html", **cookie)
    assert (status, b"<html" in body) == (200, True)
    assert "connect-src 'self' ws://127.0.0.1" in headers["Content-Security-Policy"]
    for path in ("/report.json", "/../report.json", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd"):
        status, _, body = ask(served, path, **cookie)
        assert status in (400, 403, 404), path
        assert b"root:" not in body
    for other in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        assert ask(served, "/index.html", **cookie, **other)[0] == 403
    assert ask(served, "/report.json", "PUT", **cookie)[0] in (404, 405)


@pytest.mark.slow
def test_the_page_listens_on_loopback_alone_whatever_trame_is_told_elsewhere(served: str) -> None:
    port = f"{urlsplit(served).port:04X}"
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    listening = [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port}")]
    assert listening == [f"0100007F:{port}"]


@pytest.mark.slow
def test_an_explanation_without_a_scene_is_made_from_its_files(
    pet_ct_files: dict[str, Path], tiny_outcome_model: Path, tmp_path: Path, chromium: Any
) -> None:
    viewer_python()
    call = PredictFiles(make_case(), pet_ct_files, tmp_path, tiny_outcome_model).call()
    assert main(["explain", *call.arguments()[1:], "--size-mm=12"]) == 0
    report = read_report(call.output)
    with running_view(call.output, tmp_path / "work") as (_, address):
        shown, elsewhere = open_page(chromium, address)
        words = shown.locator(".said").all_inner_texts()
        assert report["result"]["text"] in words
        assert report["result"]["validity"]["text"] in words
        assert "untrained" in shown.locator("#model").inner_text()
        assert any("has no scene" in text for text in words)
        assert np.allclose(numbers(shown), report["result"]["peak"]["ras"], atol=0.06), "it opens at the peak"
        rows = read_rows(call.output, report).rows
        index = next(i for i, row in enumerate(rows) if row.ras and not np.allclose(row.ras, numbers(shown), atol=1))
        shown.locator("#rows tbody tr").nth(index).click()
        wait_until(lambda: np.allclose(numbers(shown), rows[index].ras, atol=0.06))
        wait_until(lambda: bool(colored(pixels(shown, "Red")).sum() > 300))
        assert elsewhere == []
