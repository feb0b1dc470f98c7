"""How much memory this process may still take, and how much a pass over a volume will."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import torch

MEBIBYTE = 1 << 20
GIBIBYTE = 1 << 30


def available_memory(device: str = "cpu") -> int | None:
    """Return the bytes that can still be allocated on `device`, or None where the system does not tell.

    On the CPU this is the smallest of what the system has free, what the control group allows and what the process's
    own address-space limit leaves.
    """
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    limits = [limit for limit in (_system_memory(), _cgroup_memory(), _address_space()) if limit is not None]
    return max(0, min(limits)) if limits else None


def _system_memory(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    if sys.platform == "win32":
        return _windows_memory()
    try:
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return None


def _windows_memory() -> int | None:
    """Ask GlobalMemoryStatusEx for the free physical memory."""

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "c", "d", "e", "f", "g")),
        )

    status = Status()
    status.length = ctypes.sizeof(Status)
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 (absent from the type stubs of other systems)
    return int(status.free) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else None


def _cgroup_memory(root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int | None:
    """Return what is left of the tightest control-group limit (version 2) above this process."""
    try:
        entry = next(line for line in membership.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return None
    folder = root / entry[3:].lstrip("/")
    left: list[int] = []
    for place in (folder, *folder.parents):
        try:
            limit, used = (place / "memory.max").read_text().strip(), (place / "memory.current").read_text()
        except OSError:
            continue
        if limit != "max":
            left.append(int(limit) - int(used))
    return min(left) if left else None


def _address_space(status: Path = Path("/proc/self/status")) -> int | None:
    """Return what is left below the limit of `ulimit -v`, if there is one."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return None
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return limit - int(fields["VmSize"].split()[0]) * 1024
    except (ImportError, OSError, KeyError, ValueError):
        return None


def in_words(size: int) -> str:
    """Return a size in bytes as people write it: "1.4 GB" or "320 MB"."""
    return f"{size / GIBIBYTE:.1f} GB" if size >= GIBIBYTE else f"{max(1, round(size / MEBIBYTE))} MB"
