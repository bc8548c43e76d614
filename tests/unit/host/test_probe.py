"""Sending the probe and reading its answer."""

from __future__ import annotations

import json
import os
import sys
import zlib
from pathlib import Path

import pytest

from edgekit.errors import EdgekitError, InputError, RolloutError
from edgekit.host.probe import read_facts, this_machine
from edgekit.schema.answer import ANSWER_MARK
from edgekit.sent.facts.report import facts
from tests.fakes.boards.tree import build_board
from tests.fakes.scripted import ScriptedExecutor

MARK = f"\n{ANSWER_MARK}\n".encode()


def test_script_goes_to_the_interpreters_input(tmp_path: Path) -> None:
    answer = json.dumps(facts(str(build_board("rock-5b", tmp_path / "root")), "/var/lib")).encode()
    board = ScriptedExecutor(stdout=b'{"Welcome": "to Rock!"}\n' + MARK + answer + b"\n")
    found = read_facts(board, interpreter="/usr/bin/python3.11", state_dir="/data")
    assert found.model == "Radxa ROCK 5 Model B"
    ((argv, script),) = board.asked
    assert argv[:3] == ("/usr/bin/python3.11", "-I", "-c") and argv[-2:] == ("--state", "/data")
    assert b"def facts(root, state)" in zlib.decompress(script), "packed on its way"


@pytest.mark.parametrize("code", [126, 127])
def test_board_without_python_is_told_so(code: int) -> None:
    with pytest.raises(RolloutError, match="root@board has no python3"):
        read_facts(ScriptedExecutor(returncode=code))


def test_python_that_fails_is_shown_whole() -> None:
    with pytest.raises(EdgekitError, match="python3 failed on root@board") as caught:
        read_facts(ScriptedExecutor(returncode=1, stderr=b"SyntaxError: invalid syntax"))
    assert caught.value.details == "SyntaxError: invalid syntax"


@pytest.mark.parametrize("answer", [b"", b"nothing", b"{}", b'{"model": 5}'])
def test_answer_that_is_none_is_refused(answer: bytes) -> None:
    with pytest.raises(InputError, match="facts of root@board"):
        read_facts(ScriptedExecutor(stdout=MARK + answer))


def test_this_machine_is_described_by_the_python_below_the_virtual_environment() -> None:
    found = this_machine()
    assert found.python.path == os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]
    assert not found.python.path.startswith(sys.prefix + os.sep) or sys.prefix == sys.base_prefix
