"""What the kernel says of a process, and glibc of this one.

Source: proc_pid_status(5), proc_pid_stat(5), mallinfo(3).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path


def rss_mib(pid: int) -> float:
    """Resident memory: VmRSS."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def cpu_s(pid: int) -> float:
    """CPU time so far, of user and system: fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def threads(pid: int) -> list[str]:
    """Their names, sorted."""
    found: list[str] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            found.append((task / "comm").read_text().strip())
    return sorted(found)


def descriptors(pid: int) -> int:
    """How many are open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


class Allocations(ctypes.Structure):
    """glibc's `struct mallinfo2`: ten sizes, of which `in_use` lies in heaps and `mapped` in mappings of its own."""

    _fields_ = [
        ("_heaps", ctypes.c_size_t * 4),
        ("mapped", ctypes.c_size_t),
        ("_gone", ctypes.c_size_t * 2),
        ("in_use", ctypes.c_size_t),
        ("_free", ctypes.c_size_t * 2),
    ]


def allocated_bytes() -> int:
    """What is allocated in this process by malloc and not freed, wherever it lies."""
    ask = ctypes.CDLL(None).mallinfo2
    ask.restype = Allocations
    found = ask()
    return int(found.in_use + found.mapped)
