"""A result folder appears whole or not at all, and never at the cost of something else."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from LesionLensLib.errors import Cancelled, EnvironmentFault, UserError
from LesionLensLib.interrupts import cancel_on_signals
from LesionLensLib.results import ResultFolder, disk_error, remove_leftovers, work_name

OLD_REPORT = json.dumps({"tool": {"name": "lesionlens"}})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def old_result(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "report.json").write_text(OLD_REPORT)
    return folder


def test_nothing_is_visible_under_the_name_until_the_end(tmp_path: Path) -> None:
    with ResultFolder(tmp_path / "out") as folder:
        (folder.path / "a.txt").write_text("a")
        assert not (tmp_path / "out").exists()
        assert all(name.startswith(".") for name in names(tmp_path))
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "a.txt").read_text() == "a"


def test_the_folder_has_the_permissions_of_any_other_new_folder(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with ResultFolder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), Cancelled(), MemoryError()])
def test_any_exception_leaves_nothing_behind_not_even_new_parents(tmp_path: Path, error: BaseException) -> None:
    def fail() -> None:
        with ResultFolder(tmp_path / "new" / "deep" / "out") as folder:
            (folder.path / "a.txt").write_text("a")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert names(tmp_path) == []


def test_an_earlier_result_survives_a_failed_overwrite(old_result: Path) -> None:
    def fail() -> None:
        with ResultFolder(old_result, overwrite=True) as folder:
            (folder.path / "report.json").write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (old_result / "report.json").read_text() == OLD_REPORT
    assert names(old_result.parent) == ["out"]


def test_a_successful_overwrite_leaves_only_the_new_files(old_result: Path) -> None:
    (old_result / "stale.csv").write_text("old")
    with ResultFolder(old_result, overwrite=True) as folder:
        (folder.path / "report.json").write_text("new")
    assert names(old_result) == ["report.json"]
    assert (old_result / "report.json").read_text() == "new"
    assert names(old_result.parent) == ["out"]


def test_an_existing_result_is_refused_without_overwrite(old_result: Path) -> None:
    with pytest.raises(UserError, match="not empty"):
        ResultFolder(old_result)


def test_a_folder_that_is_no_result_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="no result"):
        ResultFolder(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_of_two_runs_into_one_folder_the_second_to_end_is_refused(tmp_path: Path) -> None:
    second = ResultFolder(tmp_path / "out")
    second.__enter__()
    with ResultFolder(tmp_path / "out") as first:
        (first.path / "report.json").write_text(OLD_REPORT)
    with pytest.raises(UserError, match="not empty"):
        second.__exit__(None, None, None)
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "report.json").read_text() == OLD_REPORT


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with ResultFolder(tmp_path / "out") as folder:
        (folder.path / "a").touch()
    assert names(tmp_path / "out") == ["a"]


def test_a_file_under_the_name_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UserError, match="is a file"):
        ResultFolder(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out").read_text() == "mine"


def test_the_target_may_not_be_hold_or_lie_inside_an_input(tmp_path: Path) -> None:
    series = tmp_path / "case" / "series"
    series.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(series)
    for target in (series, series / "out", tmp_path / "case", link):
        with pytest.raises(UserError, match="inside an input"):
            ResultFolder(target, overwrite=True, protected=[series])
    ResultFolder(tmp_path / "case" / "out", protected=[series])


def test_a_parent_that_is_a_file_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError), ResultFolder(tmp_path / "file" / "out"):
        pass
    assert names(tmp_path) == ["file"]


def test_a_full_disk_is_the_environments_fault_and_a_locked_one_the_users_choice() -> None:
    assert isinstance(disk_error(OSError(errno.ENOSPC, "No space left"), "out"), EnvironmentFault)
    assert isinstance(disk_error(OSError(errno.EDQUOT, "Quota"), "out"), EnvironmentFault)
    assert isinstance(disk_error(OSError(errno.EROFS, "Read-only"), "out"), UserError)


@pytest.fixture
def raising_signals() -> Iterator[None]:
    with cancel_on_signals():
        yield


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_working_cancels_and_removes_everything(
    tmp_path: Path, raising_signals: None, number: int
) -> None:
    with pytest.raises(Cancelled), ResultFolder(tmp_path / "out"):
        os.kill(os.getpid(), number)
    assert names(tmp_path) == []


def test_a_signal_during_the_final_rename_comes_too_late_to_leave_half_a_result(
    tmp_path: Path, raising_signals: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def interrupted_rename(self: Path, target: Path) -> Path:
        os.kill(os.getpid(), signal.SIGTERM)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted_rename)
    with ResultFolder(tmp_path / "out") as folder:
        (folder.path / "a").touch()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["a"]


def test_what_a_killed_run_left_is_found_by_its_token_and_removed(
    tmp_path: Path, old_result: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESIONLENS_RUN_TOKEN", "abc")
    killed = ResultFolder(old_result, overwrite=True)
    killed.__enter__()
    old_result.rename(tmp_path / (work_name("out", "abc") + ".old"))
    other = tmp_path / work_name("out", "other-run")
    other.mkdir()
    remove_leftovers(old_result, "abc")
    assert names(tmp_path) == [other.name, "out"]
    assert (old_result / "report.json").read_text() == OLD_REPORT
