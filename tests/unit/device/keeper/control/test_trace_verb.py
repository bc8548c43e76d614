"""`trace`: a worker records, its keeper hands the record out, and a worker that lies or says nothing costs no more."""

from __future__ import annotations

import base64
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.device.keeper.control.trace_verb import TraceVerb
from edgekit.device.runtime.orders import OrderReader
from edgekit.errors import InputError, LockHeld, NothingSelected, Unreachable
from edgekit.schema.control import Event, Request
from edgekit.schema.message import from_message_data
from edgekit.schema.report import Report
from edgekit.schema.trace import MAX_RECORD_BYTES, TRACE_FILE, TracePiece, TraceQuestion, TraceReport
from tests.fakes.keeper import Bench
from tests.fakes.releases import make_release

CONTENT = bytes(range(256)) * 10_000


class Recorded:
    """A bench whose worker records as a test says."""

    def __init__(self, root: Path) -> None:
        self.bench = Bench(root)
        self.bench.commit(make_release())
        self.work = self.bench.keeper.folders.work("sorter")
        self.questions: list[TraceQuestion] = []
        self.answers: Callable[[TraceQuestion, int], TraceReport | None] = lambda _question, _turn: None
        self.gone = False
        self._reader, self._turns = OrderReader(), itertools.count()
        self._report(None)
        self.bench.turn()

    def ask(self, seconds: float = 2.0) -> list[Event]:
        verb = TraceVerb(self.bench.keeper, lambda _request: "sorter", lambda: self.gone, self.bench.clock, self._turn)
        return list(verb.trace(Request(verb="trace", seconds=seconds), bytearray()))

    def _turn(self, seconds: float) -> None:
        for order in self._reader.feed(self.bench.child().heard()):
            if order.trace is not None:
                self.questions.append(order.trace)
        if self.questions:
            self._report(self.answers(self.questions[-1], next(self._turns)))
        self.bench.turn(seconds)

    def _report(self, trace: TraceReport | None) -> None:
        self.bench.child().pulse = Report(phase="running", fps=10.0, frames=5, golden="passed", trace=trace)


@pytest.fixture
def made(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path)


def recording(question: TraceQuestion, turn: int) -> TraceReport:
    return TraceReport(number=question.number, state="recording" if turn < 20 else "written", bytes=len(CONTENT))


def test_a_record_comes_in_pieces(made: Recorded) -> None:
    (made.work / TRACE_FILE).write_bytes(CONTENT)
    made.answers = recording
    first, *pieces, done = made.ask()
    assert first.message == "recording sorter for 2 s" and len(pieces) == 3
    found = [from_message_data(TracePiece, piece.data, "piece") for piece in pieces]
    assert b"".join(base64.b64decode(piece.data) for piece in found) == CONTENT
    assert [piece.offset for piece in found] == [0, 1 << 20, 2 << 20]
    assert (done.kind, done.data) == ("done", {"application": "sorter", "bytes": len(CONTENT)})
    assert [question.seconds for question in made.questions] == [2.0], "it is told once"


def test_each_record_has_a_number_of_its_own_and_an_old_one_is_none(made: Recorded) -> None:
    (made.work / TRACE_FILE).write_bytes(CONTENT)
    made.answers = recording
    made.ask()
    numbers = made.questions[-1].number
    made.answers = lambda _question, _turn: TraceReport(number=numbers, state="written")
    with pytest.raises(Unreachable, match="does not answer"):
        made.ask()
    assert made.questions[-1].number > numbers


def test_a_worker_that_knows_no_records_is_named_soon(made: Recorded) -> None:
    began_s = made.bench.clock()
    with pytest.raises(Unreachable, match="does not answer") as refused:
        made.ask(300.0)
    assert made.bench.clock() - began_s < 20 and "build and deploy the release again" in refused.value.hint


def test_a_worker_that_never_ends_is_not_waited_for_without_end(made: Recorded) -> None:
    made.answers = lambda question, _turn: TraceReport(number=question.number, state="recording")
    began_s = made.bench.clock()
    with pytest.raises(Unreachable, match="does not finish"):
        made.ask(2.0)
    assert 32 <= made.bench.clock() - began_s < 40


def test_one_record_at_a_time(made: Recorded) -> None:
    made.answers = lambda question, _turn: TraceReport(number=question.number + 7, state="recording")
    with pytest.raises(LockHeld, match="already") as refused:
        made.ask()
    assert "again" in refused.value.hint


def test_a_worker_that_could_not_write_says_why(made: Recorded) -> None:
    made.answers = lambda question, _turn: TraceReport(
        number=question.number, state="failed", message="No space left on device"
    )
    with pytest.raises(Unreachable, match="No space left on device"):
        made.ask()


def test_a_worker_that_ends_meanwhile_ends_the_wait(made: Recorded) -> None:
    def ends(question: TraceQuestion, turn: int) -> TraceReport:
        if turn == 3:
            made.bench.child().end(1)
        return recording(question, 0)

    made.answers = ends
    with pytest.raises(Unreachable, match="ended before its record"):
        made.ask(300.0)


def test_nobody_waits_for_a_client_that_has_gone(made: Recorded) -> None:
    def leaves(question: TraceQuestion, turn: int) -> TraceReport:
        made.gone = turn > 3
        return recording(question, 0)

    made.answers = leaves
    events = made.ask(300.0)
    assert [event.kind for event in events] == ["progress"]


@pytest.mark.parametrize("seconds", [0.0, -1.0, 301.0, float("nan"), float("inf")])
def test_times_out_of_range_are_refused(made: Recorded, seconds: float) -> None:
    with pytest.raises(InputError, match="cannot be recorded") as refused:
        made.ask(seconds)
    assert "0.1 to 300 s" in refused.value.hint and made.questions == []


def test_what_does_not_run_cannot_be_recorded(made: Recorded) -> None:
    made.bench.keeper.stop("sorter")
    for _ in range(3):
        made.bench.turn()
    made.bench.child().end(0)
    made.bench.turn()
    with pytest.raises(NothingSelected, match="does not run"):
        made.ask()


def _link(file: Path) -> None:
    file.symlink_to("/etc/hostname")


def _twice(file: Path) -> None:
    file.write_bytes(b"1")
    os.link(file, file.with_name("other"))


def _large(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(MAX_RECORD_BYTES + 1)


def _pipe(file: Path) -> None:
    os.mkfifo(file)


@pytest.mark.parametrize(
    ("lay", "words"),
    [
        (lambda _file: None, "cannot be read: No such file"),
        (_link, "cannot be read"),
        (_twice, "no record"),
        (_large, "no record"),
        (_pipe, "no record"),
        (Path.mkdir, "no record|cannot be read"),
    ],
)
def test_a_worker_cannot_have_other_files_handed_out(made: Recorded, lay: Callable[[Path], None], words: str) -> None:
    lay(made.work / TRACE_FILE)
    made.answers = lambda question, _turn: TraceReport(number=question.number, state="written")
    with pytest.raises(Unreachable, match=words):
        made.ask()
