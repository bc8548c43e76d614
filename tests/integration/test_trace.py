"""`edgekit trace` over a real sshd, a real keeper and a real worker: what was recorded there decides the same here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.schema.sink import JsonlSink
from edgekit.trust import sign
from tests.fakes.eventually import eventually
from tests.fakes.real_worker import drawn_plan, real_release
from tests.fakes.releases import write_release
from tests.fakes.sshd import PROGRAM
from tests.integration.test_deploy import Site, running_site

pytestmark = [pytest.mark.integration, pytest.mark.skipif(PROGRAM is None, reason="no sshd on this machine")]

SLOW = b"""\
import time

from edgekit.stage import Stage


class Truth(Stage):
    def __call__(self, frame):
        time.sleep(0.06)
        frame.detections = frame.truth
        return frame
"""


@pytest.fixture(scope="module")
def board() -> Iterator[Site]:
    """Two streams that want more than there is: one has a deadline and goes first, the other gets what is left."""
    with running_site() as site:
        assert site.edgekit("provision", "board").code == 0
        plan = drawn_plan({"lines": JsonlSink(kind="jsonl", path="counts.jsonl", lane="viewers")}, "gate", "yard")
        gate = replace(plan.sources["gate"], priority=1, deadline_ms=300)
        yard = replace(plan.sources["yard"], deadline_ms=400)
        plan = replace(plan, sources={"gate": gate, "yard": yard})
        signed = lambda text: sign(LocalExecutor(), text, key=site.key, namespace=SIGNATURE_NAMESPACE)  # noqa: E731
        release = write_release(real_release(plan, signed, SLOW), site.folder / "slow")
        done = site.edgekit("deploy", str(release), "board")
        assert done.code == 0, done.err
        yield site


def events(site: Site, file: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((site.folder / file).read_bytes())["traceEvents"]
    return found


def test_a_worker_s_trace_replays_to_the_same_decisions(board: Site) -> None:
    done = board.edgekit("trace", "board", "sorter", "--seconds", "3", "--out", "slow.json", "--json")
    assert done.code == 0, done.err
    assert (done.json["file"], done.json["application"], done.json["full"]) == ("slow.json", "sorter", False)
    streams = {(one["lane"], one["stream"]): one for one in done.json["streams"]}
    gate, yard = streams["all", "gate"], streams["all", "yard"]
    assert gate["worked"] > 5 and gate["worked_p50_ms"] >= 60
    assert sum(yard["dropped"].values()) > 0 and yard["dropped"].keys() <= {"deadline", "superseded", "drop_oldest"}
    drawn = events(board, "slow.json")
    assert {event["cat"] for event in drawn if event["ph"] != "M"} >= {"frame", "step", "flow", "wait", "decision"}
    again = board.edgekit("trace", "--replay", "slow.json", "--json")
    assert again.code == 0, again.err
    assert again.json["decisions"] > 20 and not again.json.get("differences")
    assert (
        f"{again.json['decisions']} decisions, all the same again"
        in board.edgekit("trace", "--replay", "slow.json").out
    )


def test_another_scheduler_would_be_seen(board: Site) -> None:
    """The record says what rules it was made by: with others the replay comes out otherwise."""
    from edgekit.host.tracing import record_in, to_chrome
    from edgekit.schema.trace import pack_record, unpack_record

    assert board.edgekit("trace", "board", "--seconds", "2", "--out", "other.json").code == 0
    record = unpack_record(record_in((board.folder / "other.json").read_bytes()))
    lanes = tuple(
        replace(lane, streams=tuple(replace(one, priority=-one.priority, cost_bound_s=9.0) for one in lane.streams))
        for lane in record.header.lanes
    )
    raw = pack_record(replace(record.header, lanes=lanes), record.numbers.tobytes())
    (board.folder / "changed.json").write_bytes(to_chrome(unpack_record(raw), raw, "board"))
    done = board.edgekit("trace", "--replay", "changed.json")
    assert done.code == 8 and "was recorded, now it is" in done.out


def test_a_record_costs_the_worker_nothing_that_stays(board: Site) -> None:
    before = board.status()["worker"]
    done = board.edgekit("trace", "board", "--seconds", "1", "--out", "again.json")
    assert done.code == 0, done.err
    assert "viewers" in done.out and "again.json: 1." in done.out and "ui.perfetto.dev" in done.out
    after = board.status()["worker"]
    assert (before["pid"], before["restarts"]) == (after["pid"], after["restarts"])
    work = board.prefix / "var/lib/edgekit/apps/sorter/work"
    assert [file.name for file in work.iterdir() if "trace" in file.name] == ["trace.record"]


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ((), 2, "one device is recorded, or one file replayed"),
        (("board", "--replay", "slow.json"), 2, "one device is recorded, or one file replayed"),
        (("board", "nobody"), 3, "no application 'nobody'"),
        (("board", "--out", "nowhere/t.json"), 2, "can be no file"),
        (("board", "--seconds", "0"), 2, "0.1"),
        (("board", "--seconds", "nan"), 2, "300"),
        (("--replay", "home"), 2, "home"),
        (("--replay", "missing.json"), 2, "missing.json"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(board: Site, words: tuple[str, ...], code: int, expected: str) -> None:
    done = board.edgekit("trace", *words)
    assert (done.code, expected in done.err) == (code, True), done.err
    assert "hint" in done.err and "Traceback" not in done.err


def test_two_records_at_once_are_one(board: Site) -> None:
    """The last one here: the first record is for longer than anybody waits."""
    first = board.start("trace", "board", "--seconds", "300", "--out", "first.json")

    def is_recording() -> bool:
        return bool(board.status()["report"]["trace"]["state"] == "recording")

    try:
        eventually(is_recording)
        second = board.edgekit("trace", "board", "--seconds", "0.1", "--out", "second.json")
    finally:
        first.kill()
        first.communicate()
    assert second.code == 9 and "somebody records sorter already" in second.err
