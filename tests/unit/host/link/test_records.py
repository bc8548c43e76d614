"""A record through a keeper: parts in their order and no others, bounded, and whole."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from edgekit.errors import InputError, Unreachable
from edgekit.host.link.client import Watch
from edgekit.host.link.records import receive_record
from edgekit.schema.control import Event
from edgekit.schema.trace import MAX_RECORD_BYTES


class TellingKeeper:
    """Answers `trace` with the events that a test says."""

    def __init__(self, *events: Event, done: dict[str, object]) -> None:
        self._events, self._done = events, done
        self.asked: dict[str, Any] = {}

    def check_can(self, feature: str, what: str) -> None:
        assert feature == "trace" and "record" in what

    def ask(self, verb: str, *, watch: Watch, **fields: Any) -> dict[str, object]:
        self.asked = {"verb": verb, **fields}
        for event in self._events:
            watch(event)
        return self._done


def piece(offset: int, data: bytes | str) -> Event:
    text = data if isinstance(data, str) else base64.b64encode(data).decode()
    return Event(kind="progress", data={"offset": offset, "data": text})


def received(keeper: TellingKeeper, notes: list[str] | None = None) -> tuple[str, bytes]:
    told = notes if notes is not None else []
    return receive_record(keeper, "", 20.0, told.append)  # type: ignore[arg-type]


def test_parts_are_joined_and_words_are_shown() -> None:
    done = {"application": "gate-watch", "bytes": 5}
    keeper = TellingKeeper(Event(kind="progress", message="recording"), piece(0, b"abc"), piece(3, b"de"), done=done)
    notes: list[str] = []
    assert received(keeper, notes) == ("gate-watch", b"abcde") and notes == ["recording"]
    assert keeper.asked == {"verb": "trace", "application": "", "seconds": 20.0, "patience_s": 140.0}


@pytest.mark.parametrize(
    "events",
    [
        (piece(0, b"abc"), piece(2, b"de")),
        (piece(0, b"abc"), piece(4, b"de")),
        (piece(0, b""),),
        (piece(0, "no base64"),),
        (piece(0, b"12345678" * (MAX_RECORD_BYTES // 8)), piece(MAX_RECORD_BYTES, b"1")),
    ],
)
def test_what_is_no_part_ends_it(events: tuple[Event, ...]) -> None:
    with pytest.raises(Unreachable, match="no part of a record") as refused:
        received(TellingKeeper(*events, done={"bytes": 5}))
    assert "again" in refused.value.hint


def test_half_a_record_is_none() -> None:
    with pytest.raises(Unreachable, match="did not come whole"):
        received(TellingKeeper(piece(0, b"abc"), done={"bytes": 5}))


def test_a_part_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match="a part of the record"):
        received(TellingKeeper(Event(kind="progress", data={"offset": -1, "data": ""}), done={}))
