"""The ladder goes down a rung only for want of memory, says so, and ends in a clear error."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.inference.cpu import PLAIN, FastPath
from LesionLensLib.inference.device import DeviceChoice
from LesionLensLib.inference.ladder import is_out_of_memory, plan_rungs, run_with_ladder
from LesionLensLib.inference.memory import _address_space, _cgroup_memory, _system_memory, in_words
from LesionLensLib.inference.passes import Predictor
from LesionLensLib.networks.rsanet import RSANet

FAST = DeviceChoice("cpu", "", FastPath("channels-last", "float32", ""), 2)
SLOW = DeviceChoice("cpu", "", PLAIN, 1)
PLENTY = 1 << 40
REPOSITORY = Path(__file__).resolve().parents[2]
FAILURES = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried ..."),
    RuntimeError("not enough memory: you tried to allocate 8 bytes."),
    RuntimeError("can't start new thread"),
]


@pytest.fixture(scope="module")
def network() -> RSANet:
    torch.manual_seed(0)
    return RSANet(base_width=8).eval()


def failing(error: Exception, above_voxels: int) -> Callable[[nn.Module, DeviceChoice, bool], Predictor]:
    """A preparer whose predictor fails for volumes larger than a size, and else returns the first channel."""

    def prepare(net: nn.Module, choice: DeviceChoice, lean: bool) -> Predictor:
        def predict(x: Tensor) -> np.ndarray:
            if x[0].numel() > above_voxels:
                raise error
            return x[0].numpy()

        return predict

    return prepare


def names(steps: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(step.partition(": ")[0], step.partition(": ")[2]) for step in steps]


def test_with_enough_memory_the_first_rung_answers(network: RSANet) -> None:
    x = torch.randn(1, 3, 20, 18, 16)
    fast, steps = run_with_ladder(network, x, FAST)
    assert steps == ("streamed whole volume: done (channels-last float32)",)
    plain, steps = run_with_ladder(network, x, SLOW)
    assert steps == ("whole volume: done (plain float32)",)
    np.testing.assert_allclose(fast, plain, atol=2e-6)
    assert fast.dtype == np.float32


def test_lean_skips_the_plain_pass(network: RSANet) -> None:
    _, steps = run_with_ladder(network, torch.randn(1, 3, 20, 18, 16), SLOW, lean=True)
    assert steps == ("streamed whole volume: done (plain float32)",)


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_running_out_of_memory_takes_one_step_after_the_other(network: RSANet, error: Exception) -> None:
    x, told = torch.rand(1, 3, 100, 50, 40), []
    probability, steps = run_with_ladder(
        network, x, SLOW, preparer=failing(error, 48 * 48 * 40), progress=lambda _, text: told.append(text)
    )
    assert names(steps) == [
        ("whole volume", "ran out of memory"),
        ("streamed whole volume", "ran out of memory"),
        ("windows of 96 x 50 x 40", "ran out of memory"),
        ("windows of 48 x 48 x 40", "done (plain float32)"),
    ]
    assert set(steps[:3]) <= set(told)
    np.testing.assert_allclose(probability, x[0, 0].numpy(), rtol=1e-5)


def test_after_the_last_rung_the_user_is_told(network: RSANet) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        run_with_ladder(network, torch.rand(1, 3, 9, 8, 7), FAST, preparer=failing(MemoryError(), 0))
    assert caught.value.exit_code == 3
    assert "9 x 8 x 7" in caught.value.message
    assert caught.value.detail.count("ran out of memory") == 3


def test_any_other_error_passes_through(network: RSANet) -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        run_with_ladder(network, torch.rand(1, 3, 9, 8, 7), FAST, preparer=failing(RuntimeError("mat1 and mat2"), 0))
    assert not is_out_of_memory(ValueError("not enough memory"))


def test_a_rung_that_cannot_fit_is_not_tried(network: RSANet) -> None:
    x = torch.zeros(1).expand(1, 3, 200, 210, 190)
    plain, streamed = plan_rungs(network, x.shape[1:], SLOW)[:2]
    assert plain.bytes_needed > streamed.bytes_needed
    free = int(streamed.bytes_needed / 0.9) + 1
    _, steps = run_with_ladder(network, x, SLOW, preparer=failing(MemoryError(), PLENTY), available=lambda _: free)
    assert names(steps)[0][0] == "whole volume"
    assert "not tried, it needs about" in steps[0]
    assert in_words(plain.bytes_needed) in steps[0]
    assert steps[1].startswith("streamed whole volume: done")


def test_a_gpu_s_ladder_ends_on_the_cpu(network: RSANet) -> None:
    gpu = DeviceChoice("cuda:0", "", PLAIN, 1)
    rungs = plan_rungs(network, (3, 128, 128, 128), gpu)
    assert [rung.choice.device for rung in rungs] == ["cuda:0"] * 4 + ["cpu"] * (len(rungs) - 4)
    assert rungs[0].name == "whole volume on cuda:0"
    assert rungs[4].name.endswith("whole volume on the CPU")
    _, steps = run_with_ladder(
        network, torch.rand(1, 3, 4, 4, 4), gpu, preparer=failing(MemoryError(), PLENTY),
        available=lambda device: PLENTY if device == "cpu" else 0,
    )  # fmt: skip
    assert all("on cuda:0: not tried" in step for step in steps[:-1])
    assert "on the CPU: done" in steps[-1]


def test_larger_volumes_and_wider_networks_are_expected_to_need_more(network: RSANet) -> None:
    wide = RSANet(base_width=16)
    small, large = (plan_rungs(network, (3, size, 64, 64), FAST)[0].bytes_needed for size in (64, 128))
    assert small < large < plan_rungs(wide, (3, 128, 64, 64), FAST)[0].bytes_needed


def test_a_real_address_space_limit_is_seen_and_a_real_failure_is_recognised() -> None:
    script = """
import resource, torch
from LesionLensLib.inference.ladder import is_out_of_memory
from LesionLensLib.inference.memory import available_memory
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20), resource.RLIM_INFINITY))
assert 100 << 20 < available_memory() <= 200 << 20, available_memory()
try:
    torch.empty(1 << 30)
except RuntimeError as error:
    assert is_out_of_memory(error), error
    print("recognised")
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("address-space limits are read on Linux")
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stdout.strip() == "recognised", run.stderr


def test_allocations_that_really_fail_halve_the_window_and_the_answer_stays_the_same() -> None:
    """Nobody tells the ladder how much is free: it learns it from the operating system's refusals."""
    script = """
import resource, torch
from LesionLensLib.errors import EnvironmentFault
from LesionLensLib.inference.cpu import PLAIN
from LesionLensLib.inference.device import DeviceChoice
from LesionLensLib.inference.ladder import SMALLER_WINDOW, WINDOW_OVERLAP, run_with_ladder
from LesionLensLib.inference.passes import predict_windows, prepare
from LesionLensLib.networks.rsanet import RSANet
torch.manual_seed(0)
torch.set_num_threads(1)
net, x, choice = RSANet(base_width=8).eval(), torch.randn(1, 3, 96, 80, 80), DeviceChoice("cpu", "", PLAIN, 1)
expected = predict_windows(prepare(net, choice, True), x[0], SMALLER_WINDOW, WINDOW_OVERLAP)
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
# Allocators keep different amounts ready: look for the least room with which there is an answer.
for room_mb in range(8, 400, 8):
    resource.setrlimit(resource.RLIMIT_AS, (used + (room_mb << 20), resource.RLIM_INFINITY))
    try:
        probability, steps = run_with_ladder(net, x, choice, available=lambda device: None)
        break
    except EnvironmentFault:
        continue
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert abs(probability - expected).max() < 1e-6
print(*steps, sep="\\n")
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("address-space limits are set on Linux")
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False
    )
    steps = run.stdout.splitlines()
    assert names(tuple(steps)) == [
        ("whole volume", "ran out of memory"),
        ("streamed whole volume", "ran out of memory"),
        ("windows of 96 x 80 x 80", "ran out of memory"),
        ("windows of 48 x 48 x 48", "done (plain float32)"),
    ], run.stderr


@pytest.mark.gpu
def test_a_graphics_card_without_room_leaves_the_work_to_the_cpu() -> None:
    """The limit is CUDA's own for this process, too small for any window; the answer is that of the CPU."""
    if not torch.cuda.is_available():
        pytest.skip("this computer has no CUDA device")
    torch.manual_seed(0)
    net, x = RSANet(base_width=8).eval(), torch.randn(1, 3, 64, 64, 64)
    expected, _ = run_with_ladder(net, x, SLOW)
    gpu = DeviceChoice("cuda:0", "", PLAIN, 1)
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-5, 0)
    try:
        probability, steps = run_with_ladder(net, x, gpu)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, 0)
    assert [end for _, end in names(steps)[:4]] == ["ran out of memory"] * 4
    assert "on the CPU: done" in steps[-1]
    np.testing.assert_allclose(probability, expected, atol=2e-2)


def test_free_memory_is_read_as_linux_writes_it(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  1000 kB\nMemAvailable:     600 kB\n")
    assert _system_memory(meminfo) == 600 * 1024
    status = tmp_path / "absent"
    assert _address_space(status) is None


def test_the_tightest_control_group_above_the_process_counts(tmp_path: Path) -> None:
    membership, inner = tmp_path / "cgroup", tmp_path / "fs" / "pod" / "box"
    membership.write_text("0::/pod/box\n")
    inner.mkdir(parents=True)
    for folder, limit, used in ((inner, "max", "10"), (inner.parent, "5000", "1500")):
        (folder / "memory.max").write_text(limit + "\n")
        (folder / "memory.current").write_text(used + "\n")
    assert _cgroup_memory(tmp_path / "fs", membership) == 3500
    assert _cgroup_memory(tmp_path / "fs", tmp_path / "absent") is None


def test_sizes_are_said_as_people_say_them() -> None:
    assert in_words(1_500_000_000) == "1.4 GB"
    assert in_words(320 << 20) == "320 MB"
