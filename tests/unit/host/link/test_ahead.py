"""Items are made while others are used: in order, a bounded number of them, and none after the user has gone."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from edgekit.host.link.ahead import made_ahead
from tests.fakes.eventually import eventually


def counted(made: list[int]) -> Iterator[int]:
    """A hundred numbers, each noted as it is made."""
    for number in range(100):
        made.append(number)
        yield number


def test_the_same_items_in_the_same_order() -> None:
    assert list(made_ahead(iter(range(100)), 3)) == list(range(100))
    assert list(made_ahead(iter([None, 0, ()]), 3)) == [None, 0, ()], "what counts as nothing is an item too"
    assert list(made_ahead(iter(()), 3)) == []


def test_the_next_ones_are_made_meanwhile_and_not_more_than_was_said() -> None:
    made: list[int] = []
    ready = made_ahead(counted(made), 3)
    assert next(ready) == 0
    eventually(lambda: len(made) == 4)
    assert next(ready) == 1
    eventually(lambda: len(made) == 5)
    ready.close()
    assert len(made) <= 6


def test_what_making_one_raises_comes_after_those_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the third")

    seen = []
    with pytest.raises(OSError, match="the third"):
        for item in made_ahead(items(), 8):
            seen.append(item)
    assert seen == [1, 2]


def test_nothing_is_made_and_no_thread_left_after_the_user_has_gone() -> None:
    made: list[int] = []
    with pytest.raises(ValueError, match="refused"), contextlib.closing(made_ahead(counted(made), 3)) as ready:
        for item in ready:
            if item == 10:
                raise ValueError("refused")
    count = len(made)
    assert count <= 14
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]
