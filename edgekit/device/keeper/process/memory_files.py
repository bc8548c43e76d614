"""What the kernel counts of a worker's memory: read from its cgroup, or where there is none from its process.

Source: Linux, Documentation/admin-guide/cgroup-v2.rst, "Memory Interface Files"; proc_pid_status(5);
proc_pid_smaps_rollup(5); Documentation/gpu/drm-usage-stats.rst; Documentation/driver-api/dma-buf.rst.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from edgekit.device.keeper.process.kernel_files import number_of, table_of, text_of
from edgekit.schema.memory import AcceleratorMemory, GroupMemory, ProcessMemory
from edgekit.schema.plain_text import plain_text

MOST_PROCESSES, MOST_OWNERS = 16, 32
_MOST_DESCRIPTORS = 1024
_NVMAP = Path("/sys/kernel/debug/nvmap/iovmm/clients")


def group_memory(leaf: Path) -> GroupMemory:
    """A leaf's account."""
    stat = table_of(leaf / "memory.stat")
    return GroupMemory(
        current_bytes=number_of(leaf / "memory.current") or 0,
        peak_bytes=number_of(leaf / "memory.peak") or 0,
        anon_bytes=stat.get("anon", 0),
        file_bytes=stat.get("file", 0),
        shmem_bytes=stat.get("shmem", 0),
        kernel_bytes=stat.get("kernel", sum(stat.get(name, 0) for name in _KERNEL)),
        reclaimable_bytes=stat.get("inactive_file", 0),
    )


_KERNEL = ("slab", "kernel_stack", "pagetables", "percpu", "sock")
"""What `kernel` adds up, before Linux 5.18."""


def group_used_bytes(leaf: Path) -> int:
    """What a leaf uses and the kernel cannot take back at once: `memory.current` without `inactive_file`.

    A worker that writes clips fills its limit with pages of files, and is in no trouble. Source: Kubernetes,
    "Node-pressure Eviction", the working set.
    """
    return max(0, (number_of(leaf / "memory.current") or 0) - table_of(leaf / "memory.stat").get("inactive_file", 0))


def group_charged_bytes(leaf: Path) -> int:
    """All that a leaf is charged for: cheap to read, and never less than it uses."""
    return number_of(leaf / "memory.current") or 0


def process_used_bytes(process: Path) -> int:
    """The same of a process without a cgroup: its own pages. `process` is its folder in /proc."""
    status = table_of(process / "status")
    return (status.get("RssAnon", 0) + status.get("RssShmem", 0)) << 10


def kept_bytes(leaf: Path | None, process: Path) -> int:
    """What grows where something leaks: anonymous and shared memory."""
    if leaf is None:
        return process_used_bytes(process)
    stat = table_of(leaf / "memory.stat")
    return stat.get("anon", 0) + stat.get("shmem", 0)


def process_memories(proc: Path, pids: Iterable[int]) -> tuple[ProcessMemory, ...]:
    """Processes with their memory, the largest first; those that may not be looked into are left out."""
    found = [one for pid in pids if (one := _process(proc / str(pid), pid)) is not None]
    return tuple(sorted(found, key=lambda one: -one.resident_bytes)[:MOST_PROCESSES])


def accelerator_memories(proc: Path, pids: Iterable[int], nvmap: Path = _NVMAP) -> tuple[AcceleratorMemory, ...]:
    """What drivers hold for these processes: NvMap of a Jetson, DRM drivers, and buffers shared between drivers."""
    wanted = tuple(pids)
    found = [*_nvmap(nvmap, wanted)]
    for pid in wanted:
        found += _of_descriptors(proc / str(pid) / "fdinfo", pid)
    return tuple(sorted(found, key=lambda one: -one.bytes)[:MOST_OWNERS])


def _process(folder: Path, pid: int) -> ProcessMemory | None:
    rollup, status = table_of(folder / "smaps_rollup"), table_of(folder / "status")
    if "Rss" not in rollup:
        return None
    return ProcessMemory(
        pid=pid,
        name=plain_text(text_of(folder / "comm").strip())[:64],
        resident_bytes=rollup["Rss"] << 10,
        proportional_bytes=rollup.get("Pss", 0) << 10,
        anon_bytes=status.get("RssAnon", 0) << 10,
        file_bytes=status.get("RssFile", 0) << 10,
        shmem_bytes=status.get("RssShmem", 0) << 10,
    )


def _nvmap(clients: Path, pids: tuple[int, ...]) -> Iterator[AcceleratorMemory]:
    """Lines CLIENT PROCESS PID SIZE, sizes as `<n>K`, the last one the total. Source: NVIDIA, nvmap_dev.c."""
    for line in text_of(clients).splitlines():
        words = line.split()
        if len(words) == 4 and words[2].isdigit() and int(words[2]) in pids and words[3][:-1].isdigit():
            owner = f"process {words[2]}, {plain_text(words[1])[:64]}"
            yield AcceleratorMemory(owner=owner, source="nvmap", bytes=int(words[3][:-1]) << 10)


def _of_descriptors(fdinfo: Path, pid: int) -> Iterator[AcceleratorMemory]:
    drm: dict[tuple[str, str, str], int] = {}
    shared: dict[tuple[str, str], int] = {}
    try:
        files = [file for _, file in zip(range(_MOST_DESCRIPTORS), fdinfo.iterdir(), strict=False)]
    except OSError:
        return
    for file in files:
        words = dict(line.split(":", 1) for line in text_of(file).splitlines() if ":" in line)
        if "drm-driver" in words:  # one client may have several descriptors: it counts once
            for name, value in words.items():
                if name.startswith(("drm-resident-", "drm-memory-")):
                    region = name.split("-", 2)[2]
                    drm[words["drm-driver"].strip(), words.get("drm-client-id", "").strip(), region] = _amount(value)
        elif "exp_name" in words:
            shared[words["exp_name"].strip(), words.get("ino", file.name).strip()] = _amount(words.get("size", ""))
    by_driver: dict[tuple[str, str], int] = {}
    for (driver, _, region), size in drm.items():
        key = ("drm", f"{driver} {region}")
        by_driver[key] = by_driver.get(key, 0) + size
    for (exporter, _), size in shared.items():
        by_driver["dma-buf", exporter] = by_driver.get(("dma-buf", exporter), 0) + size
    for (source, what), size in by_driver.items():
        if size:
            yield AcceleratorMemory(owner=f"process {pid}, {plain_text(what)[:100]}", source=source, bytes=size)


def _amount(text: str) -> int:
    """`12 KiB`, `3 MiB` or bytes; 0 for anything else."""
    words = text.split()
    if not words or not words[0].isdigit():
        return 0
    return int(words[0]) << {"KiB": 10, "MiB": 20}.get(words[1] if len(words) > 1 else "", 0)
