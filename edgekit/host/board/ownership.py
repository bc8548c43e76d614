"""Whether a process is one that edgekit started: process ids come again, and others name our files too."""

from __future__ import annotations

from pathlib import Path

from edgekit.executor.processes import is_running

_PROC = Path("/proc")


def runs(pid: int, program: str, words: bytes, *, proc: Path = _PROC) -> bool:
    """Whether a live process runs a program, and with these words.

    Args:
        pid: the process.
        program: what its executable's name begins with: `qemu-system-`.
        words: part of its command line as the kernel has it, NUL between words, so that they are whole words.
        proc: where processes are listed.
    """
    try:
        executable = (proc / str(pid) / "exe").readlink().name
        command = b"\0" + (proc / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False
    return executable.startswith(program) and words in command and is_running(pid)
