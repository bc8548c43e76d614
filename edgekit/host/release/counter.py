"""Numbers an application's builds: devices refuse one that is older than what they have committed."""

from __future__ import annotations

import contextlib
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.disk import read_small, write_whole
from edgekit.judging.releases import MAX_COUNTER

_MOST_BYTES = 32


def next_counter(folder: Path, application: str, now_s: int) -> int:
    """The seconds since the epoch, or one more than last time where the clock has not moved on since.

    Args:
        folder: where the last ones are kept, one file for each application; made when needed.
        application: its name.
        now_s: what the clock says.

    Raises:
        InputError: the folder cannot be written.
    """
    file, last = folder / application, 0
    with contextlib.suppress(OSError, ValueError):
        last = int(read_small(file, _MOST_BYTES))
    counter = max(now_s, last + 1 if 0 <= last < MAX_COUNTER else 0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, f"{counter}\n".encode())
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}", hint=f"ls -ld {folder}; df {folder}") from None
    return counter
