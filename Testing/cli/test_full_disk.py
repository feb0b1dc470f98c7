"""A disk that is full, read-only or limited by a quota: said in two lines, and nothing half-written is left."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from case_files import CaseFiles
from test_bad_input import REPOSITORY, check_said

from LesionLensLib.cli.main import main


@contextmanager
def small_file_system(folder: Path, options: str) -> Iterator[Path]:
    """Mount a tmpfs at `folder`; skips the test where this process may not mount."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.geteuid() != 0, reason="mounting needs root on Linux")
def test_a_disk_that_fills_up_is_code_3_and_leaves_nothing(
    case_files: CaseFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_file_system(case_files.folder / "disk", "size=16k") as disk:
        call = replace(case_files.call(), output=disk / "out")
        assert main(call.arguments()) == 3
        check_said(capsys.readouterr().err, "written")
        assert list(disk.iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.geteuid() != 0, reason="mounting needs root on Linux")
def test_a_read_only_parent_is_explained_before_any_compute(
    case_files: CaseFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_file_system(case_files.folder / "disk", "ro,size=16k") as disk:
        call = replace(case_files.call(), output=disk / "out")
        assert main(call.arguments()) == 2
        check_said(capsys.readouterr().err, "read-only")


def test_a_quota_on_file_size_is_code_3_and_leaves_nothing(case_files: CaseFiles) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-m", "LesionLensLib", *case_files.call().arguments()],
        capture_output=True, text=True, timeout=120, check=False, preexec_fn=limit,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    check_said(done.stderr, "written")
    assert list(case_files.folder.iterdir()) == []
