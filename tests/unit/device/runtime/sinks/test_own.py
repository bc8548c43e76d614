"""A sink of the recipe's own: it gets what was found, and may fail, hang or not exist without costing anybody."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgekit.device.runtime.figures import SinkFigures
from edgekit.device.runtime.frames.stream import StreamEnded, StreamLost, StreamStarted
from edgekit.device.runtime.sinks import make_sink
from edgekit.device.runtime.sinks.context import SinkContext
from edgekit.device.runtime.sinks.own import OwnSink
from edgekit.device.runtime.streams import PipelineFigures
from edgekit.errors import InputError
from edgekit.schema.sink import JsonlSink, PythonSink
from edgekit.stage import SceneEvent
from tests.fakes.clock import Clock
from tests.fakes.eventually import eventually
from tests.fakes.frames import frame, stream_info
from tests.fakes.plans import small_plan

CODE = """
import threading
from dataclasses import dataclass
from edgekit.stage import ResultContext, ResultSink, SceneResult

SEEN, HANG, HANGS = [], threading.Event(), threading.Event()
WORLD = {"broken": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    place: str = "door"


class Remember(ResultSink):
    Options = Options

    def __init__(self, context: ResultContext) -> None:
        if WORLD["broken"]:
            raise ConnectionError("no database")
        super().__init__(context)

    def __call__(self, result: SceneResult) -> None:
        if result.sequence == 13:
            raise ValueError("unlucky")
        if result.sequence == 99:
            HANGS.set()
            HANG.wait()
        picture = None if result.picture is None else type(result.picture.image).__name__
        SEEN.append((result.sequence, [event.place for event in result.events], dict(result.counts), picture))

    def follow(self, stream: str, state: str, reason: str) -> None:
        SEEN.append((stream, state, reason))

    def close(self) -> None:
        SEEN.append("closed")
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "remember.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    import remember  # type: ignore[import-not-found]

    yield remember
    remember.HANG.set()
    del sys.modules["remember"]


def made(folder: Path, clock: Clock | None = None, **more: Any) -> tuple[OwnSink, SinkFigures]:
    plan = PythonSink(**{"kind": "python", "entry": "remember:Remember", "lane": "l", **more})
    whole, figures = small_plan(sinks={"own": plan}), SinkFigures()
    context = SinkContext(name="own", plan=whole, release=folder, work=folder, figures=PipelineFigures())
    return OwnSink(plan, context, figures, clock or Clock()), figures


def test_it_gets_what_was_found_and_what_happens_to_streams(tmp_path: Path, module: Any) -> None:
    sink, figures = made(tmp_path, options={"place": "yard"})
    event = SceneEvent(kind="crossed", place="door", label="person", track=1)
    sink.follow(StreamStarted(info=stream_info("gate")))
    sink.take(frame(1, "gate", events=(event,), counts={"person": 1}))
    sink.follow(StreamLost(stream="gate", state="frozen", reason="the same picture"))
    sink.follow(StreamEnded(stream="gate", reason="done", failed=True))
    sink.close()
    assert module.SEEN == [
        ("gate", "live", ""),
        (1, ["door"], {"person": 1}, None),
        ("gate", "frozen", "the same picture"),
        ("gate", "failed", "done"),
        "closed",
    ]
    assert (figures.sent, figures.dropped, figures.trouble) == (1, 0, "")


def test_a_picture_comes_along_where_that_is_asked_for(tmp_path: Path, module: Any) -> None:
    sink, _ = made(tmp_path, pictures=True)
    sink.take(frame(1))
    sink.close()
    assert module.SEEN == [(1, [], {}, "RgbImage"), "closed"]


def test_what_fails_is_counted_and_told_until_it_works_again(tmp_path: Path, module: Any) -> None:
    sink, figures = made(tmp_path)
    for number in (12, 13):
        sink.take(frame(number))
    eventually(lambda: figures.dropped == 1)
    sink.follow(StreamStarted(info=stream_info()))
    eventually(lambda: len(module.SEEN) == 2)
    sink.take(frame(13))
    eventually(lambda: figures.dropped == 2)
    eventually(lambda: not sink.take(frame(13)) and figures.trouble == "failed: ValueError: unlucky")
    eventually(lambda: not sink.take(frame(14)) and figures.trouble == "")
    sink.close()


def test_one_that_hangs_costs_nobody_anything_and_is_told(tmp_path: Path, module: Any) -> None:
    clock = Clock()
    sink, figures = made(tmp_path, clock, queue=10)
    jsonl = JsonlSink(kind="jsonl", path="lines.jsonl", lane="l")
    plan = small_plan(sinks={"lines": jsonl})
    lines = make_sink(SinkContext(name="lines", plan=plan, release=tmp_path, work=tmp_path, figures=PipelineFigures()))
    sink.take(frame(99))
    module.HANGS.wait()
    for number in range(100, 1100):
        sink.take(frame(number, counts={"n": number}))
        lines.take(frame(number, counts={"n": number}))
    eventually(lambda: (tmp_path / "lines.jsonl").read_text().count("\n") == 1000)
    clock.advance(60)
    sink.take(frame(1100))
    assert figures.trouble == "has not come back for 60 s"
    assert (figures.waiting, figures.dropped) == (10, 991)
    module.HANG.set()
    sink.close()
    assert [one[0] for one in module.SEEN[:-1]] == [99, *range(1091, 1101)], "the oldest were dropped"


def test_one_that_cannot_be_made_now_is_told_and_starts_nothing(tmp_path: Path, module: Any) -> None:
    module.WORLD["broken"] = True
    sink, figures = made(tmp_path)
    eventually(lambda: not sink.take(frame(1)) and figures.trouble == "cannot be made: ConnectionError: no database")
    with pytest.raises(ConnectionError):
        sink.rehearse()
    sink.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "own"]
    assert module.SEEN == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"entry": "remember:Remeber"}, "sink remember:Remeber: remember has no Remeber"),
        ({"entry": "forget:Remember"}, "sink forget:Remember cannot be imported"),
        ({"options": {"plaze": "door"}}, "recipe.toml: pipeline.sinks.own.options.plaze"),
    ],
)
def test_what_is_wrong_with_it_is_known_before_anything_starts(
    more: dict[str, Any], message: str, tmp_path: Path, module: Any
) -> None:
    assert module
    with pytest.raises(InputError) as caught:
        made(tmp_path, **more)
    assert message in caught.value.message
