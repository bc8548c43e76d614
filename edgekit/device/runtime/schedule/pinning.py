"""A lane's thread makes itself known to the kernel: its name, its CPUs."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from edgekit.errors import InputError
from edgekit.schema.units import format_cpus

_MAX_NAME_BYTES = 15
"""Source: Linux, TASK_COMM_LEN."""


def name_thread(name: str, tid: int, proc: Path) -> None:
    """Give the calling thread a name in /proc/<pid>/task/<tid>/comm; longer ones are cut."""
    with suppress(OSError):  # a name is for people: nothing hangs on it
        (proc / f"self/task/{tid}/comm").write_bytes(name.encode()[:_MAX_NAME_BYTES])


def pin_thread(lane: str, cpus: tuple[int, ...], *, advisory: bool) -> str:
    """Bind the calling thread to CPUs. Threads that it starts inherit them.

    Args:
        lane: for messages.
        cpus: none is all that the process may use.
        advisory: the thread may run elsewhere where the kernel does not allow these CPUs.

    Returns:
        Why the thread is not where it should be, or empty.

    Raises:
        InputError: the kernel does not allow all of these CPUs and `advisory` is false.
    """
    if not cpus:
        return ""
    before = os.sched_getaffinity(0)
    # What was inherited may be narrower than what is allowed, and the kernel leaves CPUs out that it does not allow,
    # without a word as long as one remains. So ask, and read back. Source: Linux, sched_setaffinity(2).
    with suppress(OSError):
        os.sched_setaffinity(0, cpus)
        if os.sched_getaffinity(0) == set(cpus):
            return ""
        os.sched_setaffinity(0, before)
    message = f"lane {lane}: CPUs {format_cpus(cpus)} are not all there, it may use {format_cpus(frozenset(before))}"
    if not advisory:
        raise InputError(message, hint='put CPUs online, or write limits = "advisory" in the recipe')
    return f"{message}; it is not pinned"


def put_before_others(lane: str) -> str:
    """Have the calling thread run before every thread that is not realtime. Threads that it starts do not.

    The lowest realtime priority: the kernel's own realtime threads still come first. How long it may compute without
    waiting is bounded by RLIMIT_RTTIME, which the keeper sets with the right to this class.

    Args:
        lane: for messages.

    Returns:
        Why it runs as any other, or empty. Source: Linux, sched(7).
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError as error:
        return f"lane {lane}: the kernel gives it no realtime scheduling here ({error.strerror}); it runs as any other"
    return ""


def give_way(nice: int = 10) -> None:
    """Have the calling thread run behind lanes: they may have a scheduling class that it inherited."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with suppress(OSError):  # Linux: a thread of its own number has a nice value of its own. Source: setpriority(2)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
