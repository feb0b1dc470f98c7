"""The Dask engine: who gets which case, what a deadly case costs the others, words for a cluster that is not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from LesionLensLib.cohort.order import Order, Outcome
from LesionLensLib.errors import EnvironmentFault, UserError

distributed = pytest.importorskip("distributed", reason="Dask is not installed (optional group: cohort)")
cloudpickle = pytest.importorskip("cloudpickle", reason="cloudpickle comes with Dask (optional group: cohort)")
dask = pytest.importorskip("dask", reason="Dask is not installed (optional group: cohort)")

from LesionLensLib.cohort import dask_engine, local_workers  # noqa: E402


def order(case: str) -> Order:
    return Order(case, "predict", "{}", f"/nowhere/{case}", "/nowhere/mark", "", "", "", 1)


def results(engine: dask_engine.DaskEngine, cases: list[str]) -> dict[str, Outcome]:
    """Do cases as a cohort does them."""
    waiting, found = list(cases), {}
    while len(found) < len(cases):
        while waiting and engine.free() > 0:
            engine.submit(order(waiting.pop(0)))
        found |= {outcome.case: outcome for outcome in engine.finished(0.5)}
    return found


@pytest.fixture
def cluster() -> Iterator[str]:
    """Somebody's cluster in this process: a worker with a GPU, so it says, and two without."""
    worker = {"cls": distributed.Worker, "options": {"nthreads": 1, "host": "127.0.0.1"}}
    with_gpu = {"cls": distributed.Worker, "options": {**worker["options"], "resources": {"GPU": 1}}}
    options = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": None}
    scheduler = {"cls": distributed.Scheduler, "options": options}
    workers = {"gpu": with_gpu, "plain": worker, "other": worker}
    with distributed.SpecCluster(workers, scheduler) as running:
        yield running.scheduler_address


def names_its_worker(given: Order) -> Outcome:
    return Outcome(given.case, fields={"worker": distributed.get_worker().name})


@pytest.mark.parametrize(("device", "workers"), [("auto", {"gpu"}), ("cpu", {"gpu", "plain", "other"})])
def test_only_workers_with_a_gpu_get_cases_for_one(
    cluster: str, device: str, workers: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_engine, "do_case", names_its_worker)
    with dask_engine.joined_cluster(cluster, device) as engine:
        assert engine.free() == len(workers)
        engine.submit(order("first"))
        assert engine.free() == len(workers) - 1
        assert [outcome.case for outcome in engine.finished(30)] == ["first"]
        found = results(engine, [f"case{number}" for number in range(8)])
    assert {outcome.fields["worker"] for outcome in found.values()} <= workers


def fails(given: Order) -> Outcome:
    raise ImportError("cannot import name do_case")


def test_a_worker_that_cannot_run_us_is_the_reason_and_not_the_end(
    cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_engine, "do_case", fails)
    with dask_engine.joined_cluster(cluster, "cpu") as engine:
        failure = results(engine, ["one"])["one"].failure
    assert failure is not None
    assert failure.message == "A worker could not begin this case (ImportError)."
    assert "cannot import name" in failure.detail


def kills_its_worker(given: Order) -> Outcome:
    if given.case == "deadly":
        os._exit(1)
    return Outcome(given.case)


def test_a_case_that_kills_every_worker_is_given_up_and_the_others_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    import test_cohort_engine

    cloudpickle.register_pickle_by_value(test_cohort_engine)
    monkeypatch.setattr(dask_engine, "do_case", kills_its_worker)
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        local_workers.local_workers(1, "cpu", 1) as engine,
    ):
        found = results(engine, ["deadly", "good"])
    cloudpickle.unregister_pickle_by_value(test_cohort_engine)
    assert found["good"].failure is None
    failure = found["deadly"].failure
    assert failure is not None
    assert (failure.code, failure.message) == (3, dask_engine.LOST)


@pytest.mark.parametrize(
    ("address", "error", "says"),
    [
        ("tcp://127.0.0.1:9", EnvironmentFault, "No Dask scheduler answers"),
        ("pigeon://x:1", UserError, "not the address"),
        ("", UserError, "not the address"),
    ],
)
def test_a_cluster_that_is_not_there_is_said_in_words(
    address: str, error: type[Exception], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_engine, "JOIN_WITHIN_S", 1)
    with pytest.raises(error, match=says), dask_engine.joined_cluster(address, "cpu"):
        pass


def test_workers_share_the_gpus_evenly_and_those_of_one_gpu_share_its_gate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local_workers, "_gpus", lambda device: ["0", "3"])
    given = local_workers._gpu_variables(3, "auto", tmp_path)
    assert [variables["CUDA_VISIBLE_DEVICES"] for variables in given] == ["0", "3", "0"]
    gates = [variables["LESIONLENS_GPU_GATE"] for variables in given]
    assert gates[0] == gates[2] != gates[1]
    monkeypatch.setattr(local_workers, "_gpus", lambda device: ["3"])
    assert [set(variables) for variables in local_workers._gpu_variables(2, "cuda:3", tmp_path)] == [
        {"LESIONLENS_GPU_GATE"}
    ] * 2


def test_what_a_killed_run_left_in_the_temporary_folder_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    killed, running, young = (tmp_path / f"lesionlens-workers-{name}" for name in ("killed", "running", "young"))
    for folder in (killed, running, young):
        (folder / "dask-scratch-space").mkdir(parents=True)
        os.utime(folder, (0, 0) if folder != young else None)
    with local_workers.held(running):
        local_workers.remove_scratch_of_killed_runs()
    assert {path.name for path in tmp_path.iterdir()} == {running.name, young.name}
