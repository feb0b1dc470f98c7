"""The device is chosen with a reason, proved by a computation, and the choice does not waver."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from LesionLensLib.errors import EnvironmentFault, UserError
from LesionLensLib.inference import device
from LesionLensLib.inference.cpu import bfloat16_unit, choose_fast_path, time_forms, usable_cores
from LesionLensLib.inference.device import choose_device, cuda_fault, make_deterministic

EVEN = {"plain float32": 1.0, "channels-last float32": 0.6, "channels-last bfloat16": 0.3}
without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")


@pytest.mark.parametrize("requested", ["gpu", "cuda:", "cuda:x", "CUDA", "", "cuda:-1", "cpu:0", "cuda:1\n"])
def test_a_malformed_device_is_the_user_s_to_mend(requested: str) -> None:
    with pytest.raises(UserError, match="is not a device"):
        choose_device(requested)


@without_cuda
@pytest.mark.parametrize("requested", ["cuda", "cuda:1"])
def test_an_absent_gpu_is_named_with_a_remedy(requested: str) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        choose_device(requested)
    assert requested in caught.value.message
    assert "--device cpu" in caught.value.remedy


@without_cuda
def test_automatic_says_why_it_took_the_cpu() -> None:
    choice = choose_device("auto")
    assert choice.device == "cpu"
    assert "no CUDA device was found" in choice.reason
    assert choice.fast.name in choice.reason
    assert choice.threads >= 1


def test_a_gpu_that_fails_its_test_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("no kernel image is available\nmore detail")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(device, "conv3d", broken)
    monkeypatch.setattr(torch, "ones", lambda *sizes, **options: None)
    assert cuda_fault("cuda:0") == "no kernel image is available"
    assert cuda_fault("cuda:3") == "there are only 1 CUDA devices, counted from 0"


@pytest.mark.parametrize(("unit", "precision"), [("avx512_bf16", "bfloat16"), ("", "float32")])
def test_the_processor_decides_the_number_format(unit: str, precision: str) -> None:
    path = choose_fast_path(unit, onednn=True, timings=EVEN)
    assert path.name == f"channels-last {precision}"
    assert path.dtype == getattr(torch, precision)
    assert f"{1 / EVEN[path.name]:.1f} times as fast" in path.reason


def test_noise_in_the_timing_does_not_flip_the_choice() -> None:
    noisy = {**EVEN, "channels-last bfloat16": 1.4}
    assert choose_fast_path("amx_bf16", onednn=True, timings=noisy).precision == "bfloat16"


def test_a_form_that_is_clearly_slower_is_not_taken() -> None:
    slow = {**EVEN, "channels-last bfloat16": 2.0}
    path = choose_fast_path("amx_bf16", onednn=True, timings=slow)
    assert path.name == "plain float32"
    assert "2.0 times slower" in path.reason


def test_without_onednn_the_plain_network_runs() -> None:
    assert choose_fast_path("amx_bf16", onednn=False).layout == "plain"


def test_the_timing_covers_the_three_forms() -> None:
    timings = time_forms(rounds=1)
    assert set(timings) == set(EVEN)
    assert all(0 < seconds < 60 for seconds in timings.values())


def test_processor_flags_are_read_as_linux_writes_them(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx512_bf16 amx_bf16 sse\n")
    assert bfloat16_unit(cpuinfo) == "amx_bf16"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx512_bf16_not_quite sse\n")
    assert bfloat16_unit(cpuinfo) is None


def test_a_container_s_quota_limits_the_threads(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text("50000 100000\n")
    assert usable_cores(quota) == 1
    quota.write_text("max 100000\n")
    assert usable_cores(quota) == usable_cores(tmp_path / "absent") >= 1


def test_deterministic_mode_does_not_cost_the_filling_of_new_memory() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    try:
        make_deterministic()
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory
    finally:
        torch.use_deterministic_algorithms(before)


def test_no_job_imports_scipys_statistics_or_torchs_compiler() -> None:
    """Together they took 2 s before anything was computed; the compiler came with torch's switch to determinism."""
    code = """
import sys
import LesionLensLib.explain.job.run, LesionLensLib.inference.predict, LesionLensLib.inference.segment
from LesionLensLib.inference.device import make_deterministic
make_deterministic()
print(sorted({"scipy.stats", "torch._dynamo", "torch._inductor", "sympy", "pydicom"} & set(sys.modules)))
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
