"""Programs on this machine: results, streams, time limits, and whole process groups that end."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from edgekit.errors import EdgekitError, InputError, Unreachable
from edgekit.executor.capture import LINGER_S, MAX_OUTPUT_BYTES
from edgekit.executor.local import LocalExecutor
from tests.fakes.programs import foreign_program

LOCAL = LocalExecutor()


def test_words_arrive_as_they_are() -> None:
    done = LOCAL.run(["printf", "%s|", "a b", "$HOME", "*", ""], timeout_s=60)
    assert (done.returncode, done.text, done.stderr) == (0, "a b|$HOME|*||", b"")


def test_exit_code_streams_environment_folder_and_input(tmp_path: Path) -> None:
    script = "cat; pwd; echo $WORD >&2; exit 3"
    done = LOCAL.run(["sh", "-c", script], timeout_s=60, stdin=b"in\n", env={"WORD": "x y"}, cwd=str(tmp_path))
    assert (done.returncode, done.stdout.decode(), done.stderr) == (3, f"in\n{tmp_path}\n", b"x y\n")
    assert done.output.endswith("x y")


def test_a_signal_is_a_negative_code() -> None:
    assert LOCAL.run(["sh", "-c", "kill -9 $$"], timeout_s=60).returncode == -9


@pytest.mark.parametrize(("argv", "cwd"), [(["/no/such/program"], None), (["true"], "/no/such/folder")])
def test_what_is_not_there_is_named(argv: list[str], cwd: str | None) -> None:
    with pytest.raises(InputError, match="/no/such"):
        LOCAL.run(argv, timeout_s=60, cwd=cwd)


def test_a_file_that_may_not_be_run(tmp_path: Path) -> None:
    (tmp_path / "tool").touch(mode=0o600)
    with pytest.raises(InputError, match="may not be run"):
        LOCAL.run([str(tmp_path / "tool")], timeout_s=60)


def test_a_time_out_ends_the_children_too_and_keeps_what_was_said() -> None:
    began = time.monotonic()
    with pytest.raises(EdgekitError, match=r"took longer than 0.3 s") as caught:
        LOCAL.run(["sh", "-c", "echo before; sleep 300 & sleep 300"], timeout_s=0.3)
    assert time.monotonic() - began < 200, "a child that lives on would keep the output open"
    assert caught.value.details.strip() == "before"


def test_a_time_out_does_not_wait_for_whoever_left_the_group_and_holds_the_output() -> None:
    began = time.monotonic()
    with pytest.raises(EdgekitError, match="took longer") as caught:
        LOCAL.run(["sh", "-c", "echo before; setsid sleep 200 & sleep 300"], timeout_s=0.5)
    assert time.monotonic() - began < 100
    assert caught.value.details.strip() == "before"


def test_a_daemon_that_a_program_leaves_behind_is_not_waited_for() -> None:
    began = time.monotonic()
    done = LOCAL.run(["sh", "-c", "setsid sleep 200 & echo compiled; exit 3"], timeout_s=90)
    assert (done.returncode, done.text) == (3, "compiled")
    assert LINGER_S <= time.monotonic() - began < 100


def test_what_a_program_writes_is_bounded_by_its_first_and_last_part() -> None:
    script = "import sys\nsys.stdout.write('first ' + 'x' * (40 << 20) + ' last')\nprint('why', file=sys.stderr)"
    done = LOCAL.run([sys.executable, "-c", script], timeout_s=60)
    assert done.stdout.startswith(b"first xx") and done.stdout.endswith(b"xx last")
    assert len(done.stdout) < MAX_OUTPUT_BYTES + 100
    assert f"[... {(40 << 20) + 11 - MAX_OUTPUT_BYTES} bytes left out ...]".encode() in done.stdout
    assert done.errors == "why"


def test_an_endless_program_ends_at_its_time_and_not_with_all_of_the_memory() -> None:
    with pytest.raises(EdgekitError) as caught:
        LOCAL.run(["sh", "-c", "setsid yes & yes"], timeout_s=1)
    assert len(caught.value.details) < MAX_OUTPUT_BYTES + 100


def test_output_that_ends_before_the_program_does() -> None:
    done = LOCAL.run(
        ["sh", "-c", "exec >&- 2>&-; cat > /dev/null; sleep 0.3; exit 5"], timeout_s=60, stdin=b"x" * 200_000
    )
    assert (done.returncode, done.stdout) == (5, b"")


def test_a_program_of_another_machine_and_one_without_its_interpreter(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be run: Exec format error"):
        LOCAL.run([str(foreign_program(tmp_path))], timeout_s=60)
    script = tmp_path / "script"
    script.write_text("#!/no/such/python\n")
    script.chmod(0o755)
    with pytest.raises(InputError, match="its interpreter is not there"):
        LOCAL.open([str(script)])
    with pytest.raises(InputError, match="so many arguments") as caught:
        LOCAL.run(["true", "x" * (1 << 22)], timeout_s=60)
    assert "file" in caught.value.hint


def test_more_than_a_pipe_holds_both_ways() -> None:
    data = bytes(range(256)) * 4096
    assert LOCAL.run(["cat"], timeout_s=60, stdin=data).stdout == data
    assert LOCAL.run(["true"], timeout_s=60, stdin=data).returncode == 0


def test_a_stream_both_ways() -> None:
    stream = LOCAL.open(["sh", "-c", "echo oops >&2; exec cat"])
    stream.settimeout(10)
    stream.write(b"one\ntwo\n" + b"x" * 50_000)
    assert (stream.readline(100), stream.readline(2), stream.read(2)) == (b"one\n", b"tw", b"o\n")
    assert stream.read(50_000) == b"x" * 50_000
    assert stream.errors() == "oops"
    stream.settimeout(0.05)
    with pytest.raises(Unreachable, match="did not answer"):
        stream.readline(10)
    stream.close()
    stream.close()


def test_a_stream_keeps_half_a_line_over_a_time_out() -> None:
    stream = LOCAL.open(["sh", "-c", "printf half; read _; echo ' done'"])
    stream.settimeout(0.3)
    with pytest.raises(Unreachable):
        stream.readline(100)
    stream.settimeout(10)
    stream.write(b"\n")
    assert stream.readline(100) == b"half done\n"
    stream.close()


def test_a_stream_whose_program_ends() -> None:
    stream = LOCAL.open(["sh", "-c", "echo last; echo why >&2"])
    stream.settimeout(10)
    assert (stream.readline(100), stream.readline(100)) == (b"last\n", b"")
    with pytest.raises(Unreachable, match="has ended") as caught:
        for _ in range(100):
            stream.write(b"x" * 65536)
    assert caught.value.details == "why"
    stream.close()


def test_closing_a_stream_ends_its_program() -> None:
    stream = LOCAL.open([sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"])
    stream.settimeout(10)
    pid = int(stream.readline(100))
    stream.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
