"""Has memory given back that the keeper needed for a moment: its threads come and go with clients."""

from __future__ import annotations

import contextlib

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Source: glibc, malloc.h; mallopt(3)."""
_PR_SET_THP_DISABLE = 41
"""Source: Linux, prctl(2)."""
_LARGE_BYTES = 256 << 10
"""What is mapped for itself, and goes when it is freed: each of its pages costs the kernel a fault. Pieces of releases
are smaller, thousands of them come one after the other."""
_SPARE_BYTES = 1 << 20
"""Kept at the end of the heap, so that it does not shrink and grow with each of these."""


def return_memory() -> None:
    """Keep what is freed for no later use, one arena for all threads, and no huge pages.

    By itself glibc has eight arenas for each CPU, takes blocks from them that are as large as any freed before, and
    keeps twice as much in each; a kernel with huge pages for all makes 2 MiB of each 4 KiB that are left. A C library
    or a kernel that has no such setting is left alone.
    """
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import ctypes  # noqa: PLC0415  a board's Python may lack it

        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
        for option, value in ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _LARGE_BYTES), (_TRIM_THRESHOLD, _SPARE_BYTES)):
            libc.mallopt(option, value)
