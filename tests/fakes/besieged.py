"""A real keeper under all attacks at once: what it takes in memory, and how long who must not wait waits."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.eventually import eventually
from tests.fakes.floods import Flood, Raw, peak_mib, urgent
from tests.fakes.releases import FakeRelease

LARGE_BYTES = 48 << 20
"""Of a file of the release that attackers replay: what a piece of it may pretend to grow to."""


@dataclass(slots=True)
class Siege:
    """What was seen."""

    peak_mib: float = 0.0
    waited_s: dict[str, list[float]] = field(default_factory=dict)
    """By verb, until it was answered, all tries included."""
    attacks: dict[str, int] = field(default_factory=dict)

    @property
    def longest_s(self) -> float:
        return max(max(waits) for waits in self.waited_s.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """A keeper that runs `sorter`, and has an older release of it."""

    pid: int
    socket: Path
    flooding: FakeRelease
    """Of the application `flooder`: its worker floods."""
    replayed: FakeRelease

    def besiege(self, seconds: float) -> Siege:
        """Attack for so long, while an operator looks, stops, starts and rolls back all the time."""
        seen = Siege()
        flood = Flood(path=self.socket, signed=self.replayed)
        with self._flooding_worker(), flood.going_on():
            eventually(lambda: len(flood.rounds) >= 4)
            until_s = time.monotonic() + seconds
            while time.monotonic() < until_s or "rollback" not in seen.waited_s:
                for verb in ("status", "stop", "start", "rollback"):
                    event, took_s = urgent(self.socket, verb, application="sorter")
                    assert event.kind == "done", (verb, event)
                    seen.waited_s.setdefault(verb, []).append(took_s)
            seen.peak_mib = peak_mib(self.pid)
        seen.attacks = dict(flood.rounds)
        return seen

    @contextlib.contextmanager
    def _flooding_worker(self) -> Iterator[None]:
        """A release on trial whose worker floods, and whose deployer reads nothing."""
        with Raw(self.socket) as deployer:
            release = self.flooding
            payload = release.manifest_json + release.signature
            assert deployer.ask("offer", payload, signature_bytes=len(release.signature)).kind == "done"
            for sha256, content in release.blobs.items():
                deployer.send("chunk", content, sha256=sha256)
            assert deployer.ask("install", digest=release.digest).kind == "done"
            deployer.send("activate", digest=release.digest)
            yield


def make_victim(
    pid: int, socket: Path, made: Callable[..., FakeRelease], deploy: Callable[[FakeRelease], object]
) -> Victim:
    """Bring a keeper what it needs.

    Args:
        pid: the keeper's.
        socket: where it listens.
        made: makes a signed release: behaviour, version, application, files besides.
        deploy: deploys one.
    """
    for version in ("1.0.0", "2.0.0"):
        deploy(made("healthy", version, "sorter"))
    return Victim(
        pid=pid,
        socket=socket,
        flooding=made("floods", "1.0.0", "flooder"),
        replayed=made("healthy", "1.0.0", "bombed", extra={"engines/large": os.urandom(1 << 20) * (LARGE_BYTES >> 20)}),
    )
