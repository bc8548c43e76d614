"""Daemons that outlive who started them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.executor.local import start_detached, stop
from edgekit.executor.processes import is_running


def test_a_daemon_is_nobodys_child_and_logs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    pid = start_detached(["sh", "-c", "pwd; echo wrong >&2; exec sleep 60"], log=log, cwd=tmp_path)
    try:
        for _ in range(200):
            if log.exists() and log.read_text().count("\n") == 2:
                break
            time.sleep(0.02)
        assert log.read_text() == f"{tmp_path}\nwrong\n"
        parent = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]
        assert int(parent) != os.getpid()
    finally:
        stop(pid, grace_s=5)
    assert not is_running(pid)


def test_what_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    pid = start_detached(["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"], log=tmp_path / "log")
    stop(pid, grace_s=0.2)
    assert not is_running(pid)


def test_a_missing_program_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no-such-daemon"):
        start_detached(["no-such-daemon"], log=tmp_path / "log")
