"""Makes text from elsewhere fit to be shown: a device, a worker, a file or another program may have written it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from edgekit.schema.plain_text import plain_text

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s\"'<>]+(?=@)")
_PRIVATE_KEY = re.compile(
    r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----).*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_SECRET_NAME = re.compile(r"TOKEN|PASSW|SECRET|CREDENTIAL|API_?KEY|PRIVATE", re.IGNORECASE)
_LONGEST_LINE = 8192
"""Letters that are shown. Longer than any that a keeper keeps of a log; a device may say a megabyte in one."""
_LONG_LINE = re.compile(rf"([^\n]{{{_LONGEST_LINE}}})[^\n]+")
_SHORTEST_SECRET = 6
"""Shorter values are left alone: they are parts of ordinary words too."""


def clean(text: str) -> str:
    """Take away what a terminal would obey, see `plain_text`; and passwords in URLs."""
    return _CREDENTIALS.sub("***", plain_text(text))


def fit_to_show(text: str) -> str:
    """Clean text whose lines are cut where nobody reads on."""
    return _LONG_LINE.sub(r"\1 ...", clean(text))


def secrets_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Values of the environment that must not be written down, the longest first."""
    found = {value for name, value in environ.items() if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET}
    return tuple(sorted(found, key=len, reverse=True))


def without_secrets(text: str, secrets: tuple[str, ...]) -> str:
    """The text without these values and without private keys."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return _PRIVATE_KEY.sub(r"\1 *** \2", text)
