"""Secrets stay out of what a worker says, however it writes them."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from edgekit.device.keeper.process.masking import Mask
from edgekit.schema.report import Report, SinkReport

SECRET = 'p@ss/w"örd %'


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        repr(SECRET),
        ascii(SECRET),
        f"rtsp://me:{quote(SECRET, safe='')}@10.0.0.7/stream",
    ],
)
def test_a_secret_is_masked_in_every_form(written: str) -> None:
    line = Mask([SECRET, "other-secret"]).line(f"cannot open {written} now".encode())
    assert b"***" in line and b"ss" not in line
    assert line.startswith(b"cannot open ") and line.endswith(b" now")


def test_a_secret_that_begins_another_hides_it_whole() -> None:
    assert Mask(["abcd", "abcdefgh"]).line(b"x abcdefgh y abcd") == b"x *** y ***"


def test_nothing_is_masked_where_there_is_no_secret() -> None:
    assert Mask([]).line(b"as it is") == Mask([""]).line(b"as it is") == b"as it is"


def test_what_a_sink_says_is_masked_and_its_name_and_figures_are_not() -> None:
    failed = Report(phase="failed", message="refuses 12345", cause="camera_gone", hint="is 12345 right?")
    masked = Mask(["12345"]).report(failed)
    assert (masked.message, masked.hint, masked.cause) == ("refuses ***", "is *** right?", "camera_gone")
    said = Report(phase="running", sinks=(SinkReport(name="12345", message="refuses 12345", sent=12345),))
    (sink,) = Mask(["12345"]).report(said).sinks
    assert sink == SinkReport(name="12345", message="refuses ***", sent=12345)
