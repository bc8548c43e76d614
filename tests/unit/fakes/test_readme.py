"""What is read out of README."""

from __future__ import annotations

import pytest

from tests.fakes.readme import lines_of, shown_in

TEXT = """
## One

    $ edgekit init x --set 'a b=c'
    made
      more

    no command's
    $ cat y
words
    edgekit build x   # a comment

## Two

    $ other
"""


def test_commands_come_with_what_follows_them() -> None:
    first, second = shown_in("One", TEXT)
    assert first.words == ("edgekit", "init", "x", "--set", "a b=c") and first.output == ("made", "  more")
    assert second.words == ("cat", "y") and second.output == ()
    assert [one.words for one in shown_in("Two", TEXT)] == [("other",)]
    with pytest.raises(AssertionError, match="no section"):
        shown_in("Three", TEXT)


def test_lines_of_a_program_are_found_with_and_without_a_prompt() -> None:
    assert lines_of("edgekit", TEXT) == (
        ("edgekit", "init", "x", "--set", "a b=c"),
        ("edgekit", "build", "x"),
    )
