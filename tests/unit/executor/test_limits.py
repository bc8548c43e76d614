"""Programs within limits: what ends them, what it is called, and that nothing of them stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from edgekit.executor.limits import LimitedRun, RunLimits, run_limited
from edgekit.executor.local import LocalExecutor
from edgekit.executor.processes import is_running
from tests.fakes.eventually import eventually

LIMITS = RunLimits(memory_bytes=256 << 20, cpu_s=60, wall_s=60.0, file_bytes=1 << 20)
SPIN = "while True: pass"


def run(script: str, **changes: float) -> LimitedRun:
    limits = RunLimits(**{**{name: getattr(LIMITS, name) for name in LIMITS.__slots__}, **changes})
    return run_limited(LocalExecutor(), [sys.executable, "-I", "-c", script], limits)


def test_what_keeps_to_them_ends_by_itself() -> None:
    done = run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (done.returncode, done.stdout, done.stderr, done.over) == (3, b"out\n", b"err\n", "")


def test_memory_is_refused() -> None:
    done = run("bytearray(1 << 30)")
    assert (done.returncode, done.over) == (1, "") and b"MemoryError" in done.stderr


def test_processor_time_ends_it() -> None:
    done = run(SPIN, cpu_s=1)
    assert (done.returncode, done.over) == (-signal.SIGXCPU, "takes more than 1 s of processor time")


def test_a_program_that_ignores_the_warning_ends_too() -> None:
    done = run(f"import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n{SPIN}", cpu_s=1)
    assert done.returncode == -signal.SIGKILL and done.over


def test_time_ends_what_sleeps_with_its_children() -> None:
    script = "import os, time; print(os.fork(), flush=True); time.sleep(600)"
    done = run(script, wall_s=5.0)
    assert done.over == "takes longer than 5 s"
    children = [int(word) for word in done.stderr.split() if int(word)]
    assert children
    for child in children:
        eventually(lambda child=child: not is_running(child))


def test_files_stay_small(tmp_path: Path) -> None:
    file = tmp_path / "large"
    done = run(f"open({str(file)!r}, 'wb').write(bytes(2 << 20))")
    assert done.returncode == 1 and b"File too large" in done.stderr
    assert file.stat().st_size == 1 << 20


def test_children_inherit_the_limits() -> None:
    script = "import resource, subprocess, sys\n"
    script += "ask = 'import resource; print(resource.getrlimit(resource.RLIMIT_AS)[0])'\n"
    script += "print(subprocess.run([sys.executable, '-c', ask], capture_output=True, text=True).stdout)"
    assert int(run(script).stdout) == LIMITS.memory_bytes


def test_a_crash_for_want_of_memory_is_called_that() -> None:
    assert run("import os; os.kill(os.getpid(), 9)").over == "takes more than 256.0 MiB of memory"
    assert run("import os; os.abort()").over == "crashes (Aborted), as what takes more than 256.0 MiB of memory does"


def test_what_cannot_be_started_is_told() -> None:
    done = run_limited(LocalExecutor(), ["/no/such/program"], LIMITS)
    assert done.returncode == 1 and b"/no/such/program does not start: No such file or directory" in done.stderr


def test_it_does_not_outlive_whoever_started_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    child = f"import os, time; open({str(note)!r} + '.aside', 'w').write(str(os.getpid()))\n"
    child += f"os.rename({str(note)!r} + '.aside', {str(note)!r}); time.sleep(600)"
    script = f"""
        import sys
        from edgekit.executor.limits import RunLimits, run_limited
        from edgekit.executor.local import LocalExecutor
        limits = RunLimits(memory_bytes=1 << 30, cpu_s=60, wall_s=600.0, file_bytes=1 << 20)
        run_limited(LocalExecutor(), [sys.executable, "-c", {child!r}], limits)
    """
    starter = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    eventually(note.exists)
    pid = int(note.read_text())
    assert is_running(pid)
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    eventually(lambda: not is_running(pid))
