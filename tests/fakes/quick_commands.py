"""The command line, many times over: processes of their own, of one that has imported everything already."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STARTER = """
import json, os, sys
import edgekit.cli.main, edgekit.cli.deploy_plan, edgekit.cli.output, edgekit.host.workflow.board_settings
import edgekit.host.workflow.deploy, edgekit.host.workflow.deploy_plan, edgekit.host.workflow.devices
import edgekit.host.workflow.doctor, edgekit.host.workflow.memory, edgekit.host.workflow.why
for line in sys.stdin:
    job = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.chdir(job["cwd"])
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv[1:] = job["argv"]
        edgekit.cli.main.main()
    _, status, used = os.wait4(pid, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), used.ru_maxrss]), flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str
    peak_kib: int
    """Of its memory; what it has from its starter counts."""


class QuickCommands:
    """Runs commands in one folder, one after the other; `home` in it is all that they keep."""

    def __init__(self, starter: subprocess.Popen[str]) -> None:
        self._starter = starter

    def run(self, *argv: str, cwd: Path) -> Ended:
        """Run one to its end."""
        assert self._starter.stdin and self._starter.stdout
        self._starter.stdin.write(json.dumps({"argv": argv, "cwd": str(cwd)}) + "\n")
        self._starter.stdin.flush()
        code, peak_kib = json.loads(self._starter.stdout.readline())
        out, err = ((cwd / name).read_text(errors="replace") for name in ("out", "err"))
        return Ended(code=code, stdout=out, stderr=err, peak_kib=peak_kib)


@contextmanager
def quick_commands(home: Path) -> Iterator[QuickCommands]:
    """Start what starts them."""
    with subprocess.Popen(
        [sys.executable, "-c", _STARTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "EDGEKIT_HOME": str(home)},
    ) as starter:
        yield QuickCommands(starter)
        assert starter.stdin
        starter.stdin.close()
