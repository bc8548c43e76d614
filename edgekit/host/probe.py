"""Reads the facts of a machine with one script, sent as text: nothing of edgekit needs to be there."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

from edgekit.errors import InputError, RolloutError
from edgekit.executor import Executor
from edgekit.executor.local import LocalExecutor
from edgekit.executor.sent_program import joined, run_program
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.plain_text import plain_data
from edgekit.schema.reader import from_raw
from edgekit.schema.reading import is_deep

_FACTS = Path(__file__).parent.parent / "sent" / "facts"
_MODULES = ("tree", "system", "processors", "jetson", "rockchip", "report")
"""In the order in which they need each other."""
_TIMEOUT_S = 60.0
_LOOK = "run the same command again; if it stays, look at that machine: its disk, its memory, its Python"
_MAX_PYCONFIG_BYTES = 1 << 20
_PYCONFIG = """
import os, sys, sysconfig
own = sysconfig.get_config_h_filename()
# Debian's only forwards to one for each architecture.
multiarch = os.path.join("/usr/include", sysconfig.get_config_var("MULTIARCH") or "", *own.split(os.sep)[-2:])
for path in (multiarch, own):
    try:
        with open(path) as file:
            text = file.read(1 << 20)
    except OSError:
        continue
    if "define SIZEOF_VOID_P" in text:
        sys.stdout.write(text)
        break
"""


@functools.cache
def facts_script() -> str:
    """The modules of `edgekit/sent/facts` as one program: all but their imports of each other."""
    return joined(_FACTS / f"{name}.py" for name in _MODULES).decode()


def read_facts(executor: Executor, *, interpreter: str = "python3", state_dir: str = "/var/lib") -> DeviceFacts:
    """Probe a machine.

    Args:
        executor: the machine.
        interpreter: the Python there that will run keeper and workers.
        state_dir: folder whose free space counts.

    Raises:
        InputError: what it answers are no facts.
        RolloutError: no Python there, or an old one.
        Unreachable: the machine does not answer.
    """
    script = facts_script().encode()
    answer = run_program(executor, [interpreter], script, "--state", state_dir, timeout_s=_TIMEOUT_S)
    done = answer.done
    if done.returncode in (126, 127):
        raise RolloutError(f"{executor.name} has no {interpreter}", hint="install Python 3.10 or newer there")
    if done.returncode:
        hint = f"install Python 3.10 or newer as {interpreter} there"
        raise RolloutError(f"{interpreter} failed on {executor.name}", hint=hint, details=done.output)
    raw, origin = answer.json_object(), f"facts of {executor.name}"
    if raw is None:
        raise InputError(f"{origin}: no JSON object", hint=_LOOK)
    return from_raw(DeviceFacts, raw if is_deep(raw) else plain_data(raw), origin, hint=_LOOK)


def read_pyconfig(executor: Executor, interpreter: str) -> str:
    """The pyconfig.h of a board's Python: the one header that differs between boards of one minor version.

    Args:
        executor: the board.
        interpreter: the Python there.

    Returns:
        Its text; empty where the board has Python without its headers (python3-dev on Debian).
    """
    answer = run_program(executor, [interpreter], _PYCONFIG.encode(), timeout_s=_TIMEOUT_S)
    return answer.output[:_MAX_PYCONFIG_BYTES].decode(errors="replace") if answer.done.returncode == 0 else ""


def this_machine() -> DeviceFacts:
    """Probe this machine. Its Python is the one below any virtual environment: that one runs workers."""
    interpreter = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    return read_facts(LocalExecutor(), interpreter=interpreter)
