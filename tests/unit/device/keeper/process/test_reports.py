"""A report that would take much memory is refused before it does."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from edgekit.device.keeper.process.reports import MAX_METRICS_CHARACTERS, read_report
from edgekit.errors import InputError
from edgekit.schema.message import to_line
from tests.fakes.keeper import HEALTHY


def line(**fields: object) -> bytes:
    return json.dumps({"phase": "running", **fields}).encode()


def test_a_usual_one_is_read_whole() -> None:
    assert read_report(to_line(HEALTHY)) == HEALTHY


@pytest.mark.parametrize(
    "raw",
    [
        b'{"phase":"running","lanes":' + b"[[]," * 250_000,
        b'{"phase":"running","lanes":' + b"[" * 1_000_000,
        b'{"phase":"running","counts":{' + b",".join(b'"%d":1' % number for number in range(90_000)) + b"}}",
    ],
    ids=["many lists", "deep", "many counts"],
)
def test_one_that_is_small_as_text_alone_is_refused_before_it_is_read(raw: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="too many values"):
            read_report(raw)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "fields",
    [{"message": "m" * 70_000}, {"counts": {str(number): 1 for number in range(9000)}}],
    ids=["text", "counts"],
)
def test_what_is_held_and_shown_is_bounded(fields: dict[str, object]) -> None:
    with pytest.raises(InputError, match="bytes beside its metrics, allowed are 65536"):
        read_report(line(**fields))


def test_of_too_many_metrics_whole_lines_are_left() -> None:
    one = 'worker_frames_total{stream="gate"} 7\n'
    report = read_report(line(metrics=one * 9000))
    assert len(one) * 7000 < len(report.metrics) <= MAX_METRICS_CHARACTERS
    assert report.metrics == one * (len(report.metrics) // len(one))
