"""Children of their own session: read without waiting, signalled, killed with all that they started."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.executor.child import Child, start_child
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.programs import foreign_program


def sh(script: str, *, inherit: tuple[int, ...] = ()) -> Child:
    return start_child(["/bin/sh", "-c", script], env={"A": "b"}, cwd="/", inherit=inherit)


def readable(child: Child) -> bool:
    poll = select.poll()
    poll.register(child.output, select.POLLIN)
    return bool(poll.poll(10_000))


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def output(child: Child) -> bytes:
    """Everything up to the end of its output."""
    data = b""
    while True:
        assert readable(child)
        piece = os.read(child.output, 1000)
        if not piece:
            return data
        data += piece


def test_environment_folder_and_both_outputs() -> None:
    child = sh("echo $A $HOME; pwd >&2; exit 7")
    assert output(child) == b"b\n/\n"
    assert child.reap() == 7


def test_inherited_descriptors_and_no_others(tmp_path: Path) -> None:
    mine, theirs = socket.socketpair()
    stray = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(stray, True)
    with mine, theirs:
        script = f"import os; os.write({theirs.fileno()}, b'hello'); print(*os.listdir('/proc/self/fd'))"
        argv = [sys.executable, "-I", "-S", "-c", script]
        child = start_child(argv, env={}, cwd="/", inherit=(theirs.fileno(),))
        mine.settimeout(10)
        seen = output(child).split()
        child.reap()
        assert mine.recv(10) == b"hello"
    assert str(stray).encode() not in seen
    os.close(stray)


def test_reading_does_not_wait() -> None:
    child = sh("sleep 30")
    with pytest.raises(BlockingIOError):
        os.read(child.output, 1)
    assert not child.ended()
    child.kill()
    assert child.reap() == -signal.SIGKILL
    assert child.ended()


def test_the_whole_group_dies_even_when_its_leader_is_gone() -> None:
    child = sh("sleep 30 & echo $!; exit 0")
    pid = int(os.read(child.output, 100)) if readable(child) else 0
    while not child.ended():
        time.sleep(0.01)
    child.signal(signal.SIGTERM)
    child.kill()
    assert output(child) == b""
    assert child.reap() == 0
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and alive(pid):
        time.sleep(0.01)
    assert not alive(pid)


def test_a_signal_reaches_the_program() -> None:
    child = sh("trap 'echo got; exit 4' TERM; echo on; while :; do sleep 0.02; done")
    assert readable(child)
    child.signal(signal.SIGTERM)
    assert output(child) == b"on\ngot\n"
    assert child.reap() == 4


@pytest.mark.parametrize(
    ("program", "reason"),
    [("/no/such/program", "is not on this machine"), ("/etc/passwd", "may not be run"), ("/", "may not be run")],
)
def test_what_cannot_start_is_told_with_a_hint(program: str, reason: str) -> None:
    with pytest.raises(InputError, match=f"{program} {reason}") as caught:
        start_child([program], env={}, cwd="/", inherit=())
    assert program in caught.value.hint


def test_a_program_of_another_machine_is_told_with_a_hint(tmp_path: Path) -> None:
    foreign = foreign_program(tmp_path)
    with pytest.raises(InputError, match="cannot be run: Exec format error") as caught:
        start_child([str(foreign)], env={}, cwd="/", inherit=())
    assert caught.value.hint.startswith(f"file {foreign} ")


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="/no/such/folder"):
        start_child(["/bin/true"], env={}, cwd="/no/such/folder", inherit=())
