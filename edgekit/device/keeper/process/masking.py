"""Keeps secrets out of what a worker says: libraries put addresses with passwords into their errors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

_STARS = b"***"


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


def _forms(secret: str) -> tuple[str, ...]:
    """As it is, in addresses, and as JSON and Python's repr write it."""
    written = (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret), ascii(secret))
    return (secret, quote(secret, safe=""), quote(secret), quote_plus(secret), *(text[1:-1] for text in written))
