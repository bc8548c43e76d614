"""What a worker reports, read: bounded in what it holds, however much a worker puts into it."""

from __future__ import annotations

from dataclasses import replace

from edgekit.errors import InputError
from edgekit.schema.message import from_message, to_line
from edgekit.schema.report import Report

MAX_METRICS_CHARACTERS = 256 << 10
"""Of a report's text for Prometheus: lines past that are left out."""
MAX_HELD_BYTES = 64 << 10
"""Of a report without that text: it is held, shown and sent on, to every client that looks."""
_MAX_MARKS = 50_000
_MARKS = (b",", b"[", b"{")
"""What stands before a value in JSON: a value of three bytes takes sixty in memory."""


def read_report(line: bytes) -> Report:
    """Read one.

    Raises:
        InputError: it is none, or would take too much memory.
    """
    if sum(map(line.count, _MARKS)) > _MAX_MARKS:
        raise InputError("it has too many values", hint="report fewer streams, counts and figures")
    report = from_message(Report, line, "report")
    size = len(to_line(replace(report, metrics="")))
    if size > MAX_HELD_BYTES:
        message = f"it has {size} bytes beside its metrics, allowed are {MAX_HELD_BYTES}"
        raise InputError(message, hint="report fewer streams, counts and figures")
    if len(report.metrics) > MAX_METRICS_CHARACTERS:
        whole, _, _ = report.metrics[:MAX_METRICS_CHARACTERS].rpartition("\n")
        report = replace(report, metrics=f"{whole}\n")
    return report
