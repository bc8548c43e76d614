"""Takes from texts of others what a terminal would obey, before a terminal, a log or a file has them.

Source: ECMA-48, 5.3 to 5.6 (control functions and strings); Unicode 15, UAX #9 (directional formatting characters).
"""

from __future__ import annotations

import re
from typing import Any

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
_LINE_END = re.compile("(?<!\r)\r+\n|[\r\u2028\u2029]")
"""A row of carriage returns is tried as a whole once, not again from each of them: that takes the square of its
length."""


def plain_text(text: str) -> str:
    """The text without escape sequences, control characters and changes of direction.

    Lines and tabs stay. A carriage return ends a line: it must not hide the one before. Bytes that are no UTF-8
    (surrogates) are shown as escapes.
    """
    text = text.encode(errors="backslashreplace").decode()
    return _CONTROL.sub("", _LINE_END.sub("\n", _SEQUENCE.sub("", text)))


def plain_data(raw: Any) -> Any:
    """Parsed JSON with every text in it plain, keys too; of bounded depth, see `reading.is_deep`."""
    match raw:
        case str():
            return plain_text(raw)
        case dict():
            return {plain_text(key): plain_data(value) for key, value in raw.items()}
        case list():
            return [plain_data(value) for value in raw]
    return raw
