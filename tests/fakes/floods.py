"""Clients that do to a keeper's memory, places and time what they can, all at once, until they are stopped.

All of them may speak with it, as members of the group edgekit may; none has a key.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.schema.control import Event
from edgekit.schema.manifest import MAX_MANIFEST_BYTES
from edgekit.schema.message import from_message
from tests.fakes.releases import FakeRelease

_PAUSE_S = 0.02
"""Between two connections of one attacker."""
_LOOK_S = 0.2


class Raw:
    """One connection without manners."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(os.fspath(path))
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, verb: str, payload: bytes = b"", **fields: object) -> None:
        request = {"verb": verb, "payload_bytes": len(payload), **fields}
        self.socket.sendall(json.dumps(request).encode() + b"\n" + payload)

    def ask(self, verb: str, payload: bytes = b"", **fields: object) -> Event:
        """Send, and read up to the answer's end. Raises OSError where there is none."""
        self.send(verb, payload, **fields)
        while True:
            line = self._file.readline()
            if not line:
                raise ConnectionError("no answer")
            event = from_message(Event, line, "event")
            if event.kind in ("done", "error"):
                return event


@dataclass(slots=True)
class Flood:
    """All attacks on one keeper. Its release `signed` is one that anybody may replay; it has a large file."""

    path: Path
    """The keeper's socket."""
    signed: FakeRelease
    stopped: threading.Event = field(default_factory=threading.Event)
    rounds: dict[str, int] = field(default_factory=dict)
    """How often each attack was made."""

    @contextlib.contextmanager
    def going_on(self, *only: str) -> Iterator[Flood]:
        """Attack while the block runs, in all ways or in some."""
        crowd = {
            self.offers: 16,
            self.bombs: 4,
            self.nested: 3,
            self.drips: 3,
            self.asleep: 16,
            self.readers_of_nothing: 4,
            self.garbage: 2,
        }
        attacks = [attack for attack, n in crowd.items() for _ in range(n) if not only or attack.__name__ in only]
        threads = [threading.Thread(target=self._again, args=(attack,)) for attack in attacks]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.stopped.set()
            for thread in threads:
                thread.join()

    def offers(self, client: Raw) -> None:
        """Unsigned releases as large as can be, and larger."""
        client.send("offer", b"x" * (MAX_MANIFEST_BYTES + 100), signature_bytes=100)
        self._wait_for(client)

    def bombs(self, client: Raw) -> None:
        """A release of somebody else's, held open; a piece of it that grows; a patch that makes a whole manifest."""
        signed = self.signed
        client.ask("offer", signed.manifest_json + signed.signature, signature_bytes=len(signed.signature))
        client.ask("lock", application="bombed", holder="eve", lease=True)
        large = max(signed.blobs, key=lambda sha256: len(signed.blobs[sha256]))
        client.send("chunk", zlib.compress(bytes(64 << 20)), sha256=large, encoding="zlib")
        client.ask("hello")
        client.ask("offer", os.urandom(1000), size_bytes=MAX_MANIFEST_BYTES)
        self.stopped.wait(1)

    def nested(self, client: Raw) -> None:
        """JSON that is small as text."""
        client.socket.sendall(b'{"verb":' + b"[" * 8000 + b"]" * 8000 + b"}\n")
        self._wait_for(client)
        client.socket.sendall(b'{"verb": [' + b"[]," * (4 << 20))

    def drips(self, client: Raw) -> None:
        """A payload, a byte at a time."""
        client.socket.sendall(b'{"verb": "offer", "payload_bytes": 1000000}\n')
        while not self.stopped.wait(_LOOK_S):
            client.socket.sendall(b"x")

    def asleep(self, client: Raw) -> None:
        """Half open: a lock, and nothing more."""
        client.ask("lock", application=f"a{threading.get_native_id()}", holder="asleep", lease=True)
        self._wait_for(client, b"")

    def readers_of_nothing(self, client: Raw) -> None:
        """Ask for the largest answers, again and again, and read none."""
        client.socket.settimeout(1)
        while not self.stopped.is_set():
            for verb in ("metrics", "status", "logs"):
                client.send(verb, application="flooder", lines=2000)

    def garbage(self, client: Raw) -> None:
        """What no client says."""
        client.socket.sendall(os.urandom(100_000))

    def _wait_for(self, client: Raw, end: bytes | None = None) -> None:
        """Wait for some answer, or for the given one, or until all is over."""
        client.socket.settimeout(_LOOK_S)
        while not self.stopped.is_set():
            with contextlib.suppress(TimeoutError):
                if client.socket.recv(1 << 16) == end or end is None:
                    return

    def _again(self, attack: Callable[[Raw], None]) -> None:
        while not self.stopped.wait(_PAUSE_S):
            with contextlib.suppress(OSError), Raw(self.path) as client:
                attack(client)
            self.rounds[attack.__name__] = self.rounds.get(attack.__name__, 0) + 1


def urgent(path: Path, verb: str, **fields: object) -> tuple[Event, float]:
    """What an operator does in need: connect, ask, and try again where one is turned away.

    Returns:
        The outcome, and how many seconds it took with all tries.
    """
    began_s = time.monotonic()
    while True:
        with contextlib.suppress(OSError), Raw(path) as client:
            event = client.ask(verb, **fields)
            if event.exit_code != 9:
                return event, time.monotonic() - began_s
        assert time.monotonic() < began_s + 120, f"{verb} was never answered"
        time.sleep(0.05)


def peak_mib(pid: int) -> float:
    """The most memory that a process had: VmHWM. Source: proc_pid_status(5)."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
