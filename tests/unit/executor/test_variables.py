"""Variables reach every program, and what a caller gives counts more."""

from __future__ import annotations

from edgekit.executor.local import LocalExecutor
from edgekit.executor.variables import WithVariables

MORE = WithVariables(LocalExecutor(), {"EDGEKIT_ONE": "a b", "EDGEKIT_TWO": "c"})
SHOW = ["sh", "-c", 'printf \'%s|%s\' "$EDGEKIT_ONE" "$EDGEKIT_TWO"']


def test_a_program_gets_them_beside_its_callers() -> None:
    assert MORE.run(SHOW, timeout_s=60).text == "a b|c"
    assert MORE.run(SHOW, timeout_s=60, env={"EDGEKIT_TWO": "d"}).text == "a b|d"
    assert MORE.run(["cat"], timeout_s=60, stdin=b"in", cwd="/").text == "in"
    assert MORE.name == LocalExecutor().name


def test_a_program_that_is_talked_to_gets_them_too() -> None:
    stream = MORE.open(SHOW)
    stream.settimeout(10)
    assert stream.read(5) == b"a b|c"
    stream.close()
    MORE.close()
