"""Looks for secrets where none may be: in what a process says, and where others on its board can see."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote


def spellings(user: str, password: str) -> frozenset[bytes]:
    """The ways in which a password may stand in a text: plain, in an address, in a header, in JSON."""
    basic = base64.b64encode(f"{user}:{password}".encode()).decode().rstrip("=")
    plain = {password, quote(password), quote(password, safe=""), json.dumps(password)[1:-1]}
    return frozenset(text.encode() for text in {*plain, basic})


def tellers(texts: Mapping[str, bytes], secrets: Iterable[bytes]) -> list[str]:
    """Which of some texts hold a secret."""
    wanted = list(secrets)
    return [name for name, text in texts.items() if any(secret in text for secret in wanted)]


def visible_texts(pid: int | None = None) -> dict[str, bytes]:
    """Arguments and environment of a process, or of all that there are, by their file in /proc."""
    found: dict[str, bytes] = {}
    for folder in Path("/proc").glob(str(pid) if pid is not None else "[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                found[str(folder / name)] = (folder / name).read_bytes()
            except OSError:  # it has ended, or belongs to somebody else
                continue
    return found


def texts_under(folder: Path) -> dict[str, bytes]:
    """Every file in a folder."""
    return {str(file): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
