"""A command that is asked to end does so, whatever its code does with the exception."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_BEGIN = "import threading, time; from edgekit.cli.interrupts import end_on_signals; end_on_signals({grace_s})\n"
_WAIT = "print('ready', flush=True); time.sleep(600)\n"
_STUCK = {
    "a lock that is held": f"lock = threading.Lock(); lock.acquire()\ntry:\n {_WAIT}finally:\n lock.acquire()\n",
    "an exception that is dropped": f"try:\n {_WAIT}except KeyboardInterrupt:\n time.sleep(600)\n",
    "a thread that does not end": f"threading.Thread(target=time.sleep, args=(600,)).start()\n{_WAIT}",
}


def _end(code: str, grace_s: float, number: int = signal.SIGINT) -> tuple[int, str]:
    argv = [sys.executable, "-c", _BEGIN.format(grace_s=grace_s) + code]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
    return process.returncode, said


@pytest.mark.parametrize("code", _STUCK.values(), ids=_STUCK.keys())
def test_what_hangs_is_ended_with_a_sentence(code: str) -> None:
    returncode, said = _end(code, 0.2)
    assert returncode == 130
    assert "error: interrupted\n  hint: run the same command again" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_tidies_up_has_time_to(number: int) -> None:
    code = f"try:\n {_WAIT}except KeyboardInterrupt:\n time.sleep(0.3); raise SystemExit(5)\n"
    assert _end(code, 60.0, number) == (5, "")
