"""The filter, run by a machine of our own for both processors, and by this kernel."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.device.keeper.process.confinement.refused_calls import _REFUSED, refusing_filter
from tests.fakes.filters import ALLOW, KILL, REFUSE, run_filter

X86, ARM = ("x86_64", 0xC000003E), ("aarch64", 0xC00000B7)
CLONE, SOCKET, PERSONALITY = {X86: 56, ARM: 220}, {X86: 41, ARM: 198}, {X86: 135, ARM: 92}
EVERYDAY = {  # read, write, openat, mmap, ioctl, futex, kill, execve, sched_setaffinity, memfd_create, prctl, landlock
    X86: (0, 1, 257, 9, 16, 202, 62, 59, 203, 319, 157, 444),
    ARM: (63, 64, 56, 222, 29, 98, 129, 221, 122, 279, 167, 444),
}
HEADERS = {X86: Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), ARM: Path("/usr/include/asm-generic/unistd.h")}


def answer(processor: tuple[str, int], number: int, argument: int = 0, *, network: bool = True) -> int:
    program = refusing_filter(processor[0], network=network)
    return run_filter(program, machine=processor[1], number=number, argument=argument)


@pytest.mark.parametrize("processor", [X86, ARM])
class TestEachProcessor:
    def test_what_workers_do_all_day_is_let_through(self, processor: tuple[str, int]) -> None:
        assert {answer(processor, number) for number in EVERYDAY[processor]} == {ALLOW}

    @pytest.mark.parametrize("name", sorted(_REFUSED))
    def test_a_refused_call_is_refused_as_a_matter_of_rights(self, processor: tuple[str, int], name: str) -> None:
        number = _REFUSED[name][processor is ARM]
        if number:
            assert answer(processor, number) == REFUSE | errno.EPERM

    def test_numbers_are_those_of_the_kernels_headers(self, processor: tuple[str, int]) -> None:
        if not HEADERS[processor].exists():
            pytest.skip("no kernel headers here")
        text = HEADERS[processor].read_text()
        numbers = {m[1]: int(m[2]) for m in re.finditer(r"#define\s+__NR(?:3264)?_(\w+)\s+(\d+)", text)}
        ours = {name: both[processor is ARM] for name, both in _REFUSED.items() if both[processor is ARM]}
        ours |= {"clone": CLONE[processor], "socket": SOCKET[processor], "personality": PERSONALITY[processor]}
        assert {name: numbers.get(name) for name in ours} == ours

    def test_another_calling_convention_ends_the_process(self, processor: tuple[str, int]) -> None:
        program = refusing_filter(processor[0], network=True)
        assert run_filter(program, machine=0x40000003, number=3) == KILL  # i386
        assert run_filter(program, machine=0x40000028, number=3) == KILL  # 32-bit arm

    def test_what_is_newer_than_the_list_is_not_there(self, processor: tuple[str, int]) -> None:
        assert answer(processor, 463) == REFUSE | errno.ENOSYS
        assert answer(processor, 1 << 30) == REFUSE | errno.ENOSYS
        assert answer(processor, 435) == REFUSE | errno.ENOSYS, "clone3"

    def test_threads_and_children_are_made_but_no_namespaces(self, processor: tuple[str, int]) -> None:
        clone = CLONE[processor]
        assert answer(processor, clone, 0x3D0F00) == ALLOW, "pthread_create"
        assert answer(processor, clone, 0x1200011) == ALLOW, "fork"
        for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
            assert answer(processor, clone, flag | 17) == REFUSE | errno.EPERM

    def test_sockets_are_of_a_few_families(self, processor: tuple[str, int]) -> None:
        wanted = {family: answer(processor, SOCKET[processor], family) for family in (1, 2, 10, 16, 17, 38, 40)}
        assert [family for family, found in wanted.items() if found == ALLOW] == [1, 2, 10, 16]
        assert wanted[17] == REFUSE | errno.EAFNOSUPPORT
        alone = [f for f in range(45) if answer(processor, SOCKET[processor], f, network=False) == ALLOW]
        assert alone == [1]

    def test_a_personality_is_asked_for_and_not_taken(self, processor: tuple[str, int]) -> None:
        found = [answer(processor, PERSONALITY[processor], value) for value in (0, 0xFFFFFFFF, 0x0040000)]
        assert found == [ALLOW, ALLOW, REFUSE | errno.EPERM]


def test_a_processor_that_is_not_known_has_no_filter() -> None:
    assert refusing_filter("riscv64", network=True) == b""


@pytest.mark.skipif(os.uname().machine not in ("x86_64", "aarch64"), reason="no filter for this processor")
def test_the_kernel_takes_it_and_python_runs_under_it() -> None:
    program = refusing_filter(os.uname().machine, network=False)
    code = f"""
import ctypes, os, socket, struct, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
text = ctypes.create_string_buffer(bytes.fromhex("{program.hex()}"))
assert libc.prctl(22, 2, struct.pack("HxxxxxxQ", {len(program) // 8}, ctypes.addressof(text)), 0, 0) == 0
thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
subprocess.run(["/bin/echo", "child"], check=True)
print(libc.unshare(0x10000000), ctypes.get_errno())
socket.socketpair()
try:
    socket.socket()
except OSError as error:
    print(error.errno)
"""
    done = subprocess.run([sys.executable, "-u", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["thread", "child", "-1", str(errno.EPERM), str(errno.EAFNOSUPPORT)]
