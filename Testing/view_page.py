"""For tests of the page in the browser: its command as a real process, a headless Chromium, and pixels of its views."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scene.result_case import ResultCase

REPOSITORY = Path(__file__).resolve().parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
SECONDS = 90
WINDOW = {"width": 1440, "height": 900}


def as_result(case: ResultCase) -> Path:
    """Make the planted result one of LesionLens by its report, from a model that learned from simulations."""
    path = case.folder / "report.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    report["tool"] = {"name": "lesionlens", "version": "0"}
    report["findings"].append({"severity": "warning", "code": "coarse", "text": "Slices are thick <b>here</b>."})
    path.write_text(json.dumps(report), encoding="utf-8")
    return case.folder


def viewer_python() -> str:
    """Return the Python of the viewer; the test is skipped where there is none."""
    named = os.environ.get("LESIONLENS_VIEWER_PYTHON") or str(REPOSITORY / ".venv-view" / "bin" / "python")
    if not Path(named).is_file():
        pytest.skip("no environment of the viewer: make view-env, or set LESIONLENS_VIEWER_PYTHON")
    return named


@contextmanager
def running_view(folder: Path, work: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `lesionlens view` on a result folder, with `work` for temporary files; yield process and address."""
    work.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "LesionLensLib", "view", str(folder), "--no-browser", "--python", viewer_python()]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(work), "TRAME_ARGS": "--host 0.0.0.0"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, process.stderr.read() if process.stderr else ""
        yield process, address
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS)


@contextmanager
def running_chromium() -> Iterator[Any]:
    """Run a headless Chromium, one at a time; skips where there is no playwright or no Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    if not Path(CHROMIUM).is_file():
        pytest.skip("no Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def open_page(browser: Any, address: str) -> tuple[Any, list[str]]:
    """Open an address; return the page, once its pictures are there, and the list of what it asks of others."""
    elsewhere: list[str] = []
    own = address.split("/?")[0]

    def watch(route: Any) -> None:
        if route.request.url.startswith((own, "data:", "blob:")):
            route.continue_()
        else:
            elsewhere.append(route.request.url)
            route.abort()

    page = browser.new_context(viewport=WINDOW).new_page()
    page.route("**/*", watch)
    page.goto(address)
    page.wait_for_selector("#place-Yellow", timeout=1000 * SECONDS)
    wait_until(lambda: all(pixels(page, name).max() > 60 for name in VIEWS))
    return page, elsewhere


# Left, top, width and height of the views in a window of that size: beside the panel, two by two.
VIEWS = {
    "Red": (402, 2, 516, 446),
    "ThreeD": (922, 2, 516, 446),
    "Green": (402, 452, 516, 446),
    "Yellow": (922, 452, 516, 446),
}


def pixels(page: Any, view: str) -> NDArray[np.int16]:
    """Return what a view shows, (height, width, 3), without its letters and its slider."""
    left, top, width, height = VIEWS[view]
    clip = {"x": left + 20, "y": top + 28, "width": width - 40, "height": height - 85}
    return np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")).astype(np.int16)


def colored(image: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Return where a picture is not grey, (height, width)."""
    return np.asarray(image.max(-1) - image.min(-1) > 60)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Ask again and again until something is so; fails after `SECONDS`."""
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.2)


def children_of(parent: int) -> list[int]:
    """Return the processes that a process has started and that still run (Linux)."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, above = status.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has ended meanwhile
            continue
        if int(above) == parent and state != "Z":
            found.append(int(status.parent.name))
    return found


def is_alive(process: int) -> bool:
    """Return whether a process runs; one that has ended and that nobody has asked for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
