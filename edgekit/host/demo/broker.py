"""A real MQTT broker on this machine's loopback, mosquitto, and its own client that listens to everything."""

from __future__ import annotations

import contextlib
import getpass
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EdgekitError, Unreachable
from edgekit.executor import Executor, Stream
from edgekit.host.ports import free_port, listens
from edgekit.host.preflight import find_program

_START_S, _END_S = 20.0, 5.0
_LONGEST = 1 << 16
_ENDS_WITH_US = 'program=$1; shift; "$program" "$@" <&- & child=$!; read -r _; kill $child; wait $child'
"""Neither reads its input, by which it could see that whoever started it is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoBroker:
    """A broker that runs."""

    port: int
    user: str
    password: Path
    """A file that nobody else may read."""


@contextlib.contextmanager
def demo_broker(executor: Executor, folder: Path, user: str, password: str) -> Iterator[DemoBroker]:
    """Run mosquitto for one user, until the end.

    Args:
        executor: of this machine.
        folder: an empty one that nobody else may read.
        user: who may send and listen.
        password: theirs; it is in no command line.

    Raises:
        EdgekitError: it does not start.
    """
    key, users, port = folder / "broker.key", folder / "broker.users", free_port()
    for file, text in ((key, password), (users, f"{user}:{password}")):
        file.touch(mode=0o600)
        file.write_text(f"{text}\n")
    done = executor.run([find_program("mosquitto_passwd"), "-U", str(users)], timeout_s=_START_S)
    if done.returncode:
        raise EdgekitError("mosquitto_passwd failed", hint="install mosquitto again", details=done.output)
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {users}\npersistence false\n"
        f"user {getpass.getuser()}\n"
    )
    stream = executor.open(["/bin/sh", "-c", _ENDS_WITH_US, "sh", find_program("mosquitto"), "-c", str(config)])
    try:
        _wait(stream, port)
        yield DemoBroker(port=port, user=user, password=key)
    finally:
        _end(stream)


def _end(stream: Stream) -> None:
    """Let the shell end its program and see it off; `close` alone would leave that to the system's first process."""
    with contextlib.suppress(EdgekitError):
        stream.write(b"\n")
        stream.settimeout(_END_S)
        while stream.read(_LONGEST):
            pass
    stream.close()


def _wait(stream: Stream, port: int) -> None:
    until_s = time.monotonic() + _START_S
    while not listens(port):
        if time.monotonic() > until_s:
            raise EdgekitError("mosquitto did not start", hint="run mosquitto -v", details=stream.errors())
        time.sleep(0.05)


class Listener:
    """Everything that the broker is told, by topic."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.last: dict[str, object] = {}
        """What each topic was told last."""
        self.events: list[tuple[str, dict[str, object]]] = []
        """All events, with their topics."""

    def look(self) -> None:
        """Take in what was told meanwhile.

        Raises:
            EdgekitError: mosquitto_sub has ended.
        """
        self._stream.settimeout(0.01)
        with contextlib.suppress(Unreachable):
            while line := self._stream.readline(_LONGEST):
                self._take(line.decode(errors="replace"))
            raise EdgekitError(
                "mosquitto_sub has ended", hint="install mosquitto-clients again", details=self._stream.errors()
            )

    def _take(self, line: str) -> None:
        topic, _, payload = line.partition(" ")
        with contextlib.suppress(ValueError):
            told = json.loads(payload)
            self.last[topic] = told
            if topic.endswith("/events") and isinstance(told, dict):
                self.events.append((topic, told))


@contextlib.contextmanager
def listening(executor: Executor, folder: Path, broker: DemoBroker) -> Iterator[Listener]:
    """Hear everything that a broker is told, until the end. The password is in a file, as mosquitto_sub reads it."""
    options = folder / "mosquitto_sub"
    options.touch(mode=0o600)
    options.write_text(f"-u {broker.user}\n-P {broker.password.read_text().strip()}\n")
    argv = ["env", f"XDG_CONFIG_HOME={folder}", find_program("mosquitto_sub"), "-h", "127.0.0.1"]
    argv += ["-p", str(broker.port), "-q", "1", "-t", "#", "-F", "%t %p"]
    stream = executor.open(["/bin/sh", "-c", _ENDS_WITH_US, "sh", *argv])
    try:
        yield Listener(stream)
    finally:
        _end(stream)
