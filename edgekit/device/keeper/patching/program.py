"""Applies patches that nobody vouches for, one after the other, with no rights and no more than it is told it may use.

It opens nothing: base, patch and output come as descriptors, in this order, with a line of numbers. Whatever it leaves
in the output is judged by the keeper, by its digest. See `edgekit.schema.patch`.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import resource
import socket
from collections.abc import Iterator

from edgekit.schema.arm64_code import WORD_BYTES, to_absolute, to_relative
from edgekit.schema.patch import PatchKind, base_chunks, dictionary_bytes

NOBODY = 65534
DONE, FAILED = b"+", b"-"
MEMORY_BYTES = 224 << 20
"""Of address space: the interpreter, a dictionary of `MAX_BASE_BYTES` and a window, and liblzma's own."""
JOB_CPU_S = 600
"""Of processor time, for all that one process does: a slow board takes 20 s for the largest."""
_PIECE_BYTES = 1 << 16
_WRITE_BYTES = 1 << 20
_PR_SET_NO_NEW_PRIVS = 38


def main(fd: int, most_bytes: int) -> int:
    """Serve the keeper until it hangs up.

    Args:
        fd: a socket of whole messages: `BASE_BYTES SIZE_BYTES` with three descriptors, answered by one byte each.
        most_bytes: what an output may have at most.
    """
    _give_up_rights(most_bytes)
    with socket.socket(fileno=fd) as keeper:
        while True:
            line, fds, _, _ = socket.recv_fds(keeper, 100, 3)
            if not line:
                return 0
            try:
                base_bytes, size_bytes = map(int, line.split())
                done = len(fds) == 3 and apply_patch(*fds, base_bytes=base_bytes, size_bytes=size_bytes)
            except (OSError, ValueError, MemoryError, lzma.LZMAError):
                done = False
            finally:
                for one in fds:
                    os.close(one)
            keeper.send(DONE if done else FAILED)


def apply_patch(base: int, patch: int, output: int, *, base_bytes: int, size_bytes: int) -> bool:
    """Write to `output` what a patch makes of a base, `size_bytes` of it and no more; whether it came to just that.

    Raises:
        LZMAError: the patch is damaged, or of another base.
        ValueError: it is of a kind that is not known here.
        OSError: a file cannot be read or written.
        MemoryError: it takes more than it may.
    """
    is_code = PatchKind(int.from_bytes(os.read(patch, 1), "big")) is PatchKind.ARM64_CODE
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": dictionary_bytes(base_bytes, size_bytes)}]
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    pieces = _read_all(base)
    for chunk in base_chunks(_absolute(pieces) if is_code else pieces):
        decoder.decompress(chunk)
    made = _made(decoder, patch, size_bytes)
    left = size_bytes
    for data in _relative(made) if is_code else made:
        _write_all(output, data)
        left -= len(data)
    return not left


def _made(decoder: lzma.LZMADecompressor, patch: int, size_bytes: int) -> Iterator[bytes]:
    """What a decoder makes of a patch, `size_bytes` of it or less."""
    left = size_bytes
    while left:
        if decoder.eof:
            return
        piece = os.read(patch, _PIECE_BYTES) if decoder.needs_input else b""
        if decoder.needs_input and not piece:
            return
        data = decoder.decompress(piece, min(_WRITE_BYTES, left))
        left -= len(data)
        yield data


def _absolute(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """A base's pieces, each but the last of whole words."""
    start = 0
    for piece in pieces:
        code = bytearray(piece)
        to_absolute(code, start)
        start += len(code)
        yield bytes(code)


def _relative(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """What `_absolute` undoes, of pieces that may end inside a word."""
    start, rest = 0, b""
    for piece in pieces:
        code = bytearray(rest + piece)
        whole = len(code) - len(code) % WORD_BYTES
        rest = bytes(code[whole:])
        del code[whole:]
        to_relative(code, start)
        start += whole
        yield bytes(code)
    yield rest


def _read_all(fd: int) -> Iterator[bytes]:
    while piece := os.read(fd, _PIECE_BYTES):
        yield piece


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _give_up_rights(most_bytes: int) -> None:
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_CPU: JOB_CPU_S,
        resource.RLIMIT_FSIZE: most_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,
    }
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes  # noqa: PLC0415  a board's Python may lack it

        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123  pathlib takes long
        file.write("1000")
