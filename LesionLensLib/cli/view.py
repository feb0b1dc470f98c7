"""`lesionlens view`: a result folder as a page in the browser, for readers without 3D Slicer."""

from __future__ import annotations

import argparse
import json
import socket
import webbrowser
from pathlib import Path

from LesionLensLib.errors import UserError
from LesionLensLib.progress import Progress
from LesionLensLib.viewer_child import VARIABLE, find_viewer_python, viewer_of

HIGHEST_PORT = 65535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `view`."""
    parser.add_argument("folder", metavar="RESULT_DIR", help="what segment, predict or explain has written")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="the port to use (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument("--python", metavar="PATH",
                        help=f"the Python that has trame-slicer (default: {VARIABLE}, else that of `make view-env`, "
                             "else this one)")  # fmt: skip


def run(options: argparse.Namespace, progress: Progress) -> int:
    """Serve the folder to this computer alone until Ctrl-C; raises `UserError` or `EnvironmentFault` with a remedy."""
    folder = Path(options.folder)
    _check_folder(folder)
    _check_port(options.port)
    python = find_viewer_python(options.python)
    progress.update("view", 0.0, "Preparing the page")
    with viewer_of(folder, python, options.port) as viewer:
        viewer.wait_until_ready()
        progress.update("view", 1.0, "The page is ready")
        _tell(viewer.address, options.progress == "json")
        if not options.no_browser:
            webbrowser.open(viewer.address)
        viewer.wait()
    return 0


def _tell(address: str, as_json: bool) -> None:
    text = json.dumps({"event": "result", "address": address}) if as_json else f"{address}\nCtrl-C ends it."
    print(text, flush=True)


def _check_folder(folder: Path) -> None:
    from LesionLensLib.web.result import read_report  # not at the top: the help waits for nothing

    if not folder.is_dir():
        raise UserError(
            f"There is no folder {folder.name}.", "Name the folder that segment, predict or explain has written."
        )
    read_report(folder)


def _check_port(port: int) -> None:
    if not 0 <= port <= HIGHEST_PORT:
        raise UserError(f"{port} is no port.", f"Choose one from 1024 to {HIGHEST_PORT}, or leave --port out.")
    with socket.socket() as trial:
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(
                f"The port {port} cannot be used: {error.strerror}.", "Choose another one, or leave --port out."
            ) from error
