"""Memory in the size that was asked for."""

from __future__ import annotations

import ctypes

_PR_SET_THP_DISABLE = 41
"""Source: Linux, prctl(2). Since Linux 3.15; goes on in other programs that this process becomes or starts."""


def use_small_pages() -> None:
    """Have the kernel give this process no huge pages, now and later.

    Where they are on for all (Debian's kernels), each region of 2 MiB with one page in use may become a page of 2 MiB,
    at once or minutes later: the same worker takes 62 MiB or 69, or more with each hour. A kernel that knows no such
    setting is left alone.
    """
    ctypes.CDLL(None).prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
