"""Keeps secrets out of what a worker says: libraries put addresses with passwords into their errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import quote, quote_plus

from edgekit.schema.report import Report

_STARS = b"***"
_LABEL = re.compile(r'"(?:[^"\\\n]|\\.)*"')
"""A label's value. Source: Prometheus, exposition formats."""


class Mask:
    """Replaces secrets in lines, in each form that they are written in."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form.encode() for secret in secrets if secret for form in _forms(secret)}
        self._forms = sorted(forms, key=len, reverse=True)

    def line(self, line: bytes) -> bytes:
        """The line without secrets."""
        for form in self._forms:
            line = line.replace(form, _STARS)
        return line

    def text(self, text: str) -> str:
        """The text without secrets."""
        return self.line(text.encode(errors="surrogatepass")).decode(errors="surrogatepass") if self._forms else text

    def report(self, report: Report) -> Report:
        """The report without secrets in its texts: a password such as 12345 must not break a figure, or a state."""
        return replace(
            report,
            message=self.text(report.message),
            hint=self.text(report.hint),
            golden=report.golden if report.golden == "passed" else self.text(report.golden),
            counts={self.text(name): count for name, count in report.counts.items()},
            streams=tuple(replace(stream, message=self.text(stream.message)) for stream in report.streams),
            sinks=tuple(replace(sink, message=self.text(sink.message)) for sink in report.sinks),
            serving=report.serving
            and replace(
                report.serving,
                addresses=tuple(map(self.text, report.serving.addresses)),
                message=self.text(report.serving.message),
            ),
            metrics=_LABEL.sub(lambda label: self.text(label.group()), report.metrics),
        )


def _forms(secret: str) -> tuple[str, ...]:
    """As it is, in addresses, and as JSON and Python's repr write it."""
    written = (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret), ascii(secret))
    return (secret, quote(secret, safe=""), quote(secret), quote_plus(secret), *(text[1:-1] for text in written))
