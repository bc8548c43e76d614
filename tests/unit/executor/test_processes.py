"""What the kernel says of processes, and what is made of it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from edgekit.executor.processes import is_running, process_stat


def stat_file(proc: Path, text: str) -> Path:
    (proc / "7").mkdir(parents=True)
    (proc / "7/stat").write_text(text)
    return proc


def line(name: str, state: str) -> str:
    return f"7 ({name}) {state} 1 7 99 0 " + " ".join(str(number) for number in range(8, 30))


@pytest.mark.parametrize("name", ["python3", "a b", ") R 1 2", "(("])
def test_a_programs_name_may_hold_anything(tmp_path: Path, name: str) -> None:
    found = process_stat(7, proc=stat_file(tmp_path, line(name, "S")))
    assert found is not None
    assert (found.ended, found.session, found.started) == (False, 99, "22")


@pytest.mark.parametrize("text", ["", "7", "7 (x)", "7 (x) R 1 2", "7 (x) R 1 2 y" + " 0" * 30])
def test_what_is_cut_or_no_stat_is_no_process(tmp_path: Path, text: str) -> None:
    assert process_stat(7, proc=stat_file(tmp_path, text)) is None
    assert process_stat(8, proc=tmp_path) is None


def test_a_zombie_runs_no_more() -> None:
    assert is_running(os.getpid())
    child = subprocess.Popen(["sleep", "30"], start_new_session=True)
    found = process_stat(child.pid)
    assert found is not None
    assert found.session == child.pid
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    found = process_stat(child.pid)
    assert found is not None
    assert found.ended
    assert not is_running(child.pid)
    child.wait()
    assert not is_running(child.pid)
