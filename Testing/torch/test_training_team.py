"""Two processes under torchrun: the weights of one process, a killed one and the resumed run, one voice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sarcoma_cases
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file
from team_worker import train_kinds

from LesionLensLib.cli.main import main
from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.training.join import join_team
from LesionLensLib.training.team import ALONE, Team

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available() or sys.platform == "win32", reason="torch has no gloo here"
)
REPOSITORY = Path(__file__).resolve().parents[2]
WORKER = REPOSITORY / "Testing" / "team_worker.py"
SHIPPED = REPOSITORY / "Resources" / "Recipes" / "chmfl-sarcoma.yaml"
QUICK = {
    "options": {"levels": 2, "base_width": 2, "hidden": [8]}, "spacing_mm": 4.0, "field_mm": [32, 32, 48],
    "pretrain_steps": 1, "steps": 2, "views": 1, "rows": {"chmfl": {}, "cfl": {"network": "cfl"}},
    "baselines": ["suvmax"], "folds": 2, "bootstrap": 200, "batch": 2,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def torchrun(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Start two processes on this machine, as the documentation says."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    settings = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run([*launch, *command], env=settings, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    train_kinds(folder, ["rsanet", "load", "sarcoma", "brain"], ALONE)
    return folder


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("together")
    run = torchrun(str(WORKER), str(folder), "rsanet", "load", "sarcoma", "brain")
    assert run.returncode == 0, run.stderr
    return folder


def is_cancelled_by_a_norm(name: str) -> bool:
    """Whether it is the bias before a batch normalisation, or the mean that follows it.

    Its gradient is 0 but for rounding, and Adam makes steps of full length of that.
    """
    return name.endswith((".0.bias", ".1.running_mean"))


@pytest.mark.parametrize("kind", ["rsanet", "load", "sarcoma", "brain"])
def test_two_processes_train_to_the_weights_of_one(alone: Path, together: Path, kind: str) -> None:
    """Group and batch normalisation, pooled losses, dropout, MixUp across the processes, passes within them."""
    one, two = (load_file(folder / f"{kind}.safetensors") for folder in (alone, together))
    assert one.keys() == two.keys()
    compared = [name for name in one if kind != "sarcoma" or not is_cancelled_by_a_norm(name)]
    assert len(compared) > 0.6 * len(one)
    for name in compared:
        assert torch.allclose(one[name].float(), two[name].float(), rtol=1e-3, atol=1e-4), name


def test_the_first_process_alone_leaves_a_log_and_a_checkpoint(alone: Path, together: Path) -> None:
    for kind in ("rsanet", "load", "sarcoma", "brain"):
        logs = [(folder / kind / "metrics.csv").read_text().splitlines() for folder in (alone, together)]
        assert len(logs[0]) == len(logs[1]) == 2
        one, two = (line.split(",") for line in (logs[0][1], logs[1][1]))
        assert one[0] == two[0]
        assert float(one[1]) == pytest.approx(float(two[1]), rel=1e-3), "the loss of the whole batch"
        files = {path.name for path in (together / kind).iterdir()}
        assert files - {"history.json"} == {"metrics.csv", "checkpoint.safetensors"}


def test_a_killed_process_ends_all_and_the_resumed_run_comes_to_the_same(together: Path, tmp_path: Path) -> None:
    run = torchrun(str(WORKER), str(tmp_path), "load", KILL_RANK="1", KILL_STEP="5")
    assert run.returncode != 0
    assert not (tmp_path / "load.safetensors").exists()
    assert [path.name for path in (tmp_path / "load").glob("*.part")] == []
    with safe_open(tmp_path / "load" / "checkpoint.safetensors", "pt") as file:
        assert file.metadata()["step"] == "4"
    assert torchrun(str(WORKER), str(tmp_path), "load").returncode == 0
    whole, resumed = (load_file(folder / "load.safetensors") for folder in (together, tmp_path))
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name


@pytest.fixture
def study(tmp_path: Path) -> list[str]:
    """The command that trains two rows on two folds and the public part of eight patients."""
    table = sarcoma_cases.write_table(sarcoma_cases.write_patients(tmp_path / "cases"), tmp_path / "cases.csv")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({**yaml.safe_load(SHIPPED.read_text()), **QUICK, "precision": "fp32"}))
    return ["train", str(recipe), "--data", str(table), "--device", "cpu"]


def test_folds_and_rows_are_dealt_to_the_processes_and_give_the_same_model(study: list[str], tmp_path: Path) -> None:
    assert main([*study, "--output", str(tmp_path / "one")]) == 0
    run = torchrun("-m", "LesionLensLib", *study, "--output", str(tmp_path / "two"))
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == [str(tmp_path / "two")], "one voice"
    one, two = (tmp_path / name for name in ("one", "two"))
    made = sorted(path.relative_to(one) for path in one.glob("rows/*/*/member-0.safetensors"))
    assert len(made) == 7
    for path in [*made, Path("weights.safetensors"), Path("predictions.csv"), Path("metrics.csv")]:
        assert (one / path).read_bytes() == (two / path).read_bytes(), path
    assert '"processes": 2' in (two / "training-report.json").read_text()
    kept = sorted(path.name for path in (two / "cache").iterdir())
    assert kept == sorted(path.name for path in (one / "cache").iterdir())
    assert len(kept) == 8
    assert list(two.rglob("*.part")) == []


def test_a_batch_that_two_processes_cannot_share_is_told_once(study: list[str], tmp_path: Path) -> None:
    recipe = Path(study[1])
    recipe.write_text(yaml.safe_dump({**yaml.safe_load(recipe.read_text()), "batch": 3}))
    run = torchrun("-m", "LesionLensLib", *study, "--share", "batches", "--output", str(tmp_path / "out"))
    assert run.returncode != 0
    told = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert told == ["error: A batch of 3 cannot be dealt to 2 processes in 1 pass each."]
    assert not (tmp_path / "out" / "weights.safetensors").exists()


def test_without_torchrun_a_training_is_alone_and_half_of_its_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with join_team("cuda:3") as (team, device):
        assert (team, device) == (ALONE, "cuda:3")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="RANK is not set"), join_team("cpu"):
        pass
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "0")
    with pytest.raises(UserError, match="cuda:1 is one GPU, and there are several processes"), join_team("cuda:1"):
        pass
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(UserError, match="WORLD_SIZE is 'two'"), join_team("cpu"):
        pass


def test_the_loss_of_a_process_is_told_by_the_first_and_other_errors_stay_what_they_are() -> None:
    gone = RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4711")
    with pytest.raises(EnvironmentFault, match="Another process of this training has ended"), \
            Team(0, 2).told_of_losses():  # fmt: skip
        raise gone
    with pytest.raises(SystemExit) as left, Team(1, 2).told_of_losses():
        raise gone
    assert left.value.code == 3
    with pytest.raises(RuntimeError, match="shape"), Team(0, 2).told_of_losses():
        raise RuntimeError("shape mismatch")


def test_rows_and_pieces_are_dealt_completely() -> None:
    assert [list(Team(rank, 3).rows(6)) for rank in range(3)] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(ValueError, match="4 rows cannot be dealt to 3 processes"):
        Team(0, 3).rows(4)
    assert [[n for n in range(5) if Team(rank, 2).deals_me(n)] for rank in range(2)] == [[0, 2, 4], [1, 3]]
