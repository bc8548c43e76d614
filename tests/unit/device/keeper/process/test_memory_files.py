"""The kernel's accounts of memory: what is there is read, what is not says nothing, and nothing of it has no end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekit.device.keeper.process.kernel_files import table_of
from edgekit.device.keeper.process.memory_files import (
    MOST_OWNERS,
    accelerator_memories,
    group_memory,
    group_used_bytes,
    kept_bytes,
    process_memories,
    process_used_bytes,
)

STAT = """anon 104857600
file 52428800
kernel 5242880
shmem 1048576
inactive_file 41943040
active_file 10485760
"""


@pytest.fixture
def leaf(tmp_path: Path) -> Path:
    made = tmp_path / "leaf"
    made.mkdir()
    (made / "memory.stat").write_text(STAT)
    (made / "memory.current").write_text("167772160\n")
    (made / "memory.peak").write_text("209715200\n")
    return made


def test_a_cgroups_account(leaf: Path) -> None:
    found = group_memory(leaf)
    assert (found.current_bytes >> 20, found.peak_bytes >> 20, found.anon_bytes >> 20) == (160, 200, 100)
    assert (found.file_bytes >> 20, found.shmem_bytes >> 20, found.kernel_bytes >> 20) == (50, 1, 5)
    assert found.reclaimable_bytes >> 20 == 40


def test_pages_of_files_that_can_go_are_not_in_use(leaf: Path) -> None:
    """A worker that writes clips fills its limit with them, for ever."""
    assert group_used_bytes(leaf) >> 20 == 120
    assert kept_bytes(leaf, Path("/nowhere")) == 101 << 20


def test_kernel_memory_before_linux_5_18(leaf: Path) -> None:
    (leaf / "memory.stat").write_text("anon 1\nslab 100\nkernel_stack 20\npagetables 3\nslab_reclaimable 70\n")
    assert group_memory(leaf).kernel_bytes == 123


@pytest.mark.parametrize("text", ["", "garbage", "anon\n", "anon minus\nfile -5\n", "\0\xff", "anon 1 2 3\n" * 100_000])
def test_an_account_that_is_none_says_nothing(leaf: Path, text: str) -> None:
    (leaf / "memory.stat").write_text(text)
    (leaf / "memory.current").write_text(text)
    assert group_memory(leaf).file_bytes == 0 and group_memory(leaf).current_bytes == 0
    assert group_used_bytes(leaf) == 0


def test_without_any_files_nothing_is_used(tmp_path: Path) -> None:
    assert group_memory(tmp_path / "none").current_bytes == group_used_bytes(tmp_path) == 0
    assert process_used_bytes(tmp_path) == kept_bytes(None, tmp_path) == 0
    assert process_memories(tmp_path, [1]) == () and accelerator_memories(tmp_path, [1], tmp_path / "clients") == ()


def test_this_very_process() -> None:
    """With the kernel's own files, whatever they look like here."""
    (found,) = process_memories(Path("/proc"), [os.getpid()])
    parts = found.anon_bytes + found.file_bytes + found.shmem_bytes
    assert found.resident_bytes > 10 << 20 and abs(found.resident_bytes - parts) < 16 << 20
    assert 0 < found.proportional_bytes <= found.resident_bytes + (1 << 20) and found.name
    assert abs(process_used_bytes(Path(f"/proc/{os.getpid()}")) - found.anon_bytes - found.shmem_bytes) < 16 << 20


def test_the_largest_process_comes_first_and_names_are_plain(tmp_path: Path) -> None:
    for pid, size in ((5, 10), (6, 20)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / f"{pid}/smaps_rollup").write_text(
            f"00-ff ---p 0 00:00 0 [rollup]\nRss: {size} kB\nPss: {size} kB\n"
        )
        (tmp_path / f"{pid}/comm").write_text("pyt\x1b[31mhon\n")
    found = process_memories(tmp_path, [5, 6, 7])
    assert [(one.pid, one.resident_bytes) for one in found] == [(6, 20 << 10), (5, 10 << 10)]
    assert "\x1b" not in found[0].name


def test_nvmap_of_a_jetson(tmp_path: Path) -> None:
    clients = tmp_path / "clients"
    clients.write_text("CLIENT PROCESS PID SIZE\nuser python3 812 204800K\nuser Xorg 700 4096K\ntotal 208896K\n")
    (found,) = accelerator_memories(tmp_path, [812], clients)
    assert (found.owner, found.source, found.bytes) == ("process 812, python3", "nvmap", 200 << 20)


def test_drivers_tell_by_descriptor_and_a_client_with_two_of_them_counts_once(tmp_path: Path) -> None:
    folder = tmp_path / "812/fdinfo"
    folder.mkdir(parents=True)
    drm = "pos:\t0\ndrm-driver:\trocket\ndrm-client-id:\t{}\ndrm-resident-memory:\t{}\n"
    shared = "pos:\t0\nsize:\t3145728\ncount:\t2\nexp_name:\trk_dmabuf\nino:\t77\n"
    for name, text in {
        "3": drm.format(1, "1024 KiB"),
        "4": drm.format(1, "1024 KiB"),
        "5": drm.format(2, "2 MiB"),
        "6": shared,
        "7": shared,
        "8": "pos:\t0\nflags:\t02\n",
        "9": drm.format(3, "what"),
    }.items():
        (folder / name).write_text(text)
    found = {(one.source, one.owner): one.bytes for one in accelerator_memories(tmp_path, [812], tmp_path / "none")}
    assert found == {
        ("drm", "process 812, rocket memory"): 3 << 20,
        ("dma-buf", "process 812, rk_dmabuf"): 3 << 20,
    }


def test_owners_without_end_are_bounded(tmp_path: Path) -> None:
    folder = tmp_path / "812/fdinfo"
    folder.mkdir(parents=True)
    for number in range(100):
        text = f"drm-driver:\tx\ndrm-client-id:\t{number}\ndrm-memory-r{number}:\t{number + 1} KiB\n"
        (folder / str(number)).write_text(text)
    found = accelerator_memories(tmp_path, [812], tmp_path / "none")
    assert len(found) == MOST_OWNERS and found[0].bytes == 100 << 10


def test_lines_with_colons_and_without(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("VmRSS:\t  12 kB\nName:\tx y\n")
    assert table_of(file) == {"VmRSS": 12}
