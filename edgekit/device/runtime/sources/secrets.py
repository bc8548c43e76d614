"""Takes what lets others into a camera out of texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

_LOGIN = re.compile(r"(\w+://)[^/@\s]+@")
_MASK = "***"


def hider(password: str | None = None) -> Callable[[str], str]:
    """What hides a password however it is written in a text, and user and password in any address."""
    words = {password, quote(password, safe=""), quote(password)} - {""} if password else set[str]()

    def hide(text: str) -> str:
        for word in sorted(words, key=len, reverse=True):
            text = text.replace(word, _MASK)
        return _LOGIN.sub(rf"\1{_MASK}@", text)

    return hide
