"""Keeps huge pages out of a worker, whose memory would hang on them instead of on what it does."""

from __future__ import annotations

import contextlib

_PR_SET_THP_DISABLE = 41
"""Source: Linux, prctl(2). Since Linux 3.15; it stays with what this process becomes or starts."""


def use_small_pages() -> None:
    """Have the kernel give this process no huge pages, now and later.

    Where they are on for all (Debian's kernels), each region of 2 MiB with one page in use may become a page of 2 MiB,
    at once or minutes later. A kernel or a C library that has no such setting is left alone. The keeper, which knows
    nothing of the worker's modules, does the same for itself (`keeper/allocator.py`).
    """
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import ctypes  # noqa: PLC0415  a board's Python may lack it

        ctypes.CDLL(None).prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
