"""Makes text from elsewhere fit to be shown: a device, a worker, a file or another program may have written it.

Source: ECMA-48, 5.3 to 5.6 (control functions and strings); Unicode 15, UAX #9 (directional formatting characters).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, erasing
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"  # the other escapes
)
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of text
    "\ufeff\ufff9-\ufffb]"
)
_LINE_END = re.compile("\r+\n|[\r\u2028\u2029]")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s\"'<>]+(?=@)")
_PRIVATE_KEY = re.compile(
    r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----).*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_SECRET_NAME = re.compile(r"TOKEN|PASSW|SECRET|CREDENTIAL|API_?KEY|PRIVATE", re.IGNORECASE)
_SHORTEST_SECRET = 6
"""Shorter values are left alone: they are parts of ordinary words too."""


def clean(text: str) -> str:
    """Take away what a terminal would obey: escape sequences, control characters, changes of direction.

    Lines and tabs stay. A carriage return ends a line: it must not hide the one before. Bytes that are no UTF-8
    (surrogates) are shown as escapes. Passwords in URLs are replaced.
    """
    text = text.encode(errors="backslashreplace").decode()
    text = _LINE_END.sub("\n", _SEQUENCE.sub("", text))
    return _CREDENTIALS.sub("***", _CONTROL.sub("", text))


def secrets_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Values of the environment that must not be written down, the longest first."""
    found = {value for name, value in environ.items() if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET}
    return tuple(sorted(found, key=len, reverse=True))


def without_secrets(text: str, secrets: tuple[str, ...]) -> str:
    """The text without these values and without private keys."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return _PRIVATE_KEY.sub(r"\1 *** \2", text)
