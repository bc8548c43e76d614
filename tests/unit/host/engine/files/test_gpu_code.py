"""For which GPUs the code in an engine file is. The files are made here by the measured layout."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.host.engine.files.gpu_code import find_gpu_code, runs_on


def cubin(architecture: int, *, abi: int = 7, machine: int = 190) -> bytes:
    flags = architecture << 8 if abi >= 8 else architecture | 0x500
    return struct.pack("<4sBBBBB7xHHIQQQI12x", b"\x7fELF", 2, 1, 1, 51, abi, 2, machine, 1, 0, 64, 64, flags)


def fatbin(*entries: tuple[int, int]) -> bytes:
    body = b"".join(struct.pack("<HHIQ12xI32x", kind, 0, 64, 8, arch) + b"payload." for kind, arch in entries)
    return struct.pack("<4sHHQ", b"\x50\xed\x55\xba", 1, 16, len(body)) + body


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", []),
        (b"weights" * 1000, []),
        (cubin(87), ["8.7"]),
        (b"ftrt" + bytes(61) + cubin(87) + b"x" * 7 + cubin(80) + cubin(87), ["8.0", "8.7"]),
        (cubin(120, abi=8), ["12.0"]),
        (cubin(62, machine=62), []),  # code for a CPU
        (cubin(87)[:50], []),
        (fatbin((2, 87), (1, 86)), ["8.6", "8.7"]),
        (fatbin((2, 87), (7, 99), (2, 89)), ["8.7"]),
        (fatbin((2, 87))[:40], []),
        (b"\x50\xed\x55\xba" * 100_000, []),
        (struct.pack("<4sHHQ", b"\x50\xed\x55\xba", 1, 16, 2**64 - 1) * 1000, []),
    ],
)
def test_code_that_lies_open_is_found(data: bytes, found: list[str]) -> None:
    assert [str(one) for one in find_gpu_code(data)] == found


@pytest.mark.parametrize(
    ("data", "sm", "runs"),
    [
        (b"", "8.7", True),  # nothing is known of it
        (cubin(87), "", True),
        (cubin(87), "8.7", True),
        (cubin(80), "8.7", True),
        (cubin(89), "8.7", False),
        (cubin(90), "8.7", False),
        (cubin(75) + cubin(89), "8.7", False),
        (cubin(75) + cubin(86), "8.7", True),
        (fatbin((1, 75)), "8.7", True),  # PTX: the driver compiles it
        (fatbin((1, 89)), "8.7", False),
        (cubin(103, abi=8), "10.3", True),
    ],
)
def test_what_a_gpu_can_run(data: bytes, sm: str, runs: bool) -> None:
    assert runs_on(find_gpu_code(data), sm) == runs


@given(st.lists(st.one_of(st.binary(max_size=80), st.just(cubin(87)), st.just(fatbin((1, 80))[:50]))))
def test_any_file_is_read_to_its_end(pieces: list[bytes]) -> None:
    find_gpu_code(b"".join(pieces))
