"""Programs that are sent as text: what they answer is told from what a login shell prints before them."""

from __future__ import annotations

import io
import sys

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.executor.sent_program import open_program, run_program, skip_greeting
from edgekit.schema.answer import ANSWER_MARK
from tests.fakes.scripted import ScriptedExecutor

MARK = f"\n{ANSWER_MARK}\n".encode()


def test_a_program_runs_as_if_it_were_a_file_with_its_words() -> None:
    program = b"from __future__ import annotations\nimport sys\nif __name__ == '__main__':\n print(sys.argv[1:])\n"
    answer = run_program(LocalExecutor(), [sys.executable], program, "a b", "c", timeout_s=30)
    assert (answer.done.returncode, answer.output) == (0, b"['a b', 'c']\n")


@pytest.mark.parametrize("greeting", [b"", b"hello", b"hello\n", b'{"a": 1}\n', b"\xff\x00\r\n" * 1000])
def test_a_greeting_is_passed_over(greeting: bytes) -> None:
    answer = run_program(ScriptedExecutor(stdout=greeting + MARK + b'{"b": 2}\n'), ["python3"], b"", timeout_s=1)
    assert answer.json_object() == {"b": 2}


DEEP = MARK + b'{"a":' * 100_000 + b"1" + b"}" * 100_000


@pytest.mark.parametrize("output", [b"", b'{"a": 1}\n', MARK, MARK + b"[1]", MARK + b'{"a": 1}{"a": 2}', DEEP])
def test_what_is_no_answer_is_none(output: bytes) -> None:
    assert run_program(ScriptedExecutor(stdout=output), ["python3"], b"", timeout_s=1).json_object() is None


def test_a_greeting_without_an_end_is_given_up() -> None:
    assert not skip_greeting(io.BytesIO(b"x" * (4 << 20) + MARK).readline)
    assert not skip_greeting(io.BytesIO(b"hello\n").readline)


def test_a_conversation_with_a_program() -> None:
    program = "import sys\nfor line in sys.stdin: print(sys.argv[1], line, end='', flush=True)"
    stream = open_program(LocalExecutor(), sys.executable, program, "got")
    stream.settimeout(30)
    assert skip_greeting(stream.readline)
    stream.write(b"this\n")
    assert stream.readline(100) == b"got this\n"
    stream.close()
