"""Cameras and a broker as a command line names them: a part goes into the recipe, the rest to fleet.toml. Pure.

What differs from board to board (addresses, users) becomes settings, and a password a secret one: none of it stands in
the recipe, which is the same for every board.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from edgekit.errors import InputError
from edgekit.schema.field_types import bounds_of
from edgekit.schema.names import HostName, TableName
from edgekit.schema.source import RtspUrl

EXAMPLE_ADDRESS = "rtsp://10.0.0.5/stream1"
_CAMERA_HINT = "write --camera rtsp://USER@10.0.0.5/stream1, or NAME=rtsp://... where there are several"
_BROKER_HINT = "write --mqtt 10.0.0.2, or USER@HOST:PORT"
_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftEnd:
    """A camera, or the broker."""

    name: str
    address: str = ""
    """Of a camera without user and password, of a broker without port; empty: fleet.toml gives it later."""
    user: str = ""
    password: str | None = None
    """None where it has none, or none is known yet; `login` tells."""
    port: int | None = None

    @property
    def login(self) -> bool:
        """Whether it wants a user and a password."""
        return bool(self.user)

    def setting(self, of: str) -> str:
        """The name of one of its settings: `gate_url`."""
        return f"{self.name}_{of}"


def parse_cameras(texts: Iterable[str]) -> tuple[DraftEnd, ...]:
    """Read `[NAME=]rtsp://[USER[:PASSWORD]@]HOST[:PORT]/PATH` texts.

    Raises:
        InputError: one is no such text, or two have one name. No message holds an address's user and password.
    """
    texts = list(texts)
    cameras: list[DraftEnd] = []
    for index, text in enumerate(texts):
        named = _NAMED.fullmatch(text) if not text.startswith("rtsp") else None
        name = named[1] if named else "camera" if len(texts) == 1 else f"camera{index + 1}"
        cameras.append(_camera(name, named[2] if named else text))
    names = [camera.name for camera in cameras]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"two cameras are named {twice}", hint=_CAMERA_HINT)
    return tuple(cameras)


def parse_broker(text: str) -> DraftEnd:
    """Read `[USER[:PASSWORD]@]HOST[:PORT]`.

    Raises:
        InputError: it is no such text.
    """
    try:
        found = urlsplit(f"//{text.removeprefix('mqtt://')}")
        host, port = found.hostname or "", found.port
    except ValueError:
        host, port = "", None
    if not _fits(HostName, host) or found.path not in ("", "/") or found.query:
        raise InputError("--mqtt: that is no broker's name or address", hint=_BROKER_HINT)
    user, password = _login("--mqtt", found, _BROKER_HINT)
    return DraftEnd(name="broker", address=host, port=port, user=user, password=password)


def _camera(name: str, address: str) -> DraftEnd:
    if not _fits(TableName, name):
        raise InputError(f"--camera: {name!r} is no name for a camera", hint=_CAMERA_HINT)
    try:
        found = urlsplit(address)
        bare = found._replace(netloc=found.netloc.rpartition("@")[2]).geturl()
        there = bool(found.hostname) and (found.port is None or found.port > 0)
    except ValueError:
        there, bare = False, ""
    if not there or not _fits(RtspUrl, bare):
        raise InputError(f"--camera: the address of {name} is none that begins with rtsp://", hint=_CAMERA_HINT)
    user, password = _login(f"--camera: {name}", found, _CAMERA_HINT)
    return DraftEnd(name=name, address=bare, user=user, password=password)


def _login(whose: str, found: SplitResult, hint: str) -> tuple[str, str | None]:
    """User and password of an address, as they were before they were written into it. Raises InputError."""
    user, password = unquote(found.username or ""), unquote(found.password or "")
    if password and not user:
        raise InputError(f"{whose}: a password belongs to a user", hint=hint)
    if not (user + password).isprintable():
        raise InputError(f"{whose}: user and password are texts on one line", hint=hint)
    return user, password or None


def _fits(kind: object, text: str) -> bool:
    return all(bound.admits(text) for bound in bounds_of(kind)[1])
