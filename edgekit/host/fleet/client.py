"""Speaks with a device's keeper: `edgekit.schema.control` over a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgekit.errors import BY_EXIT_CODE, EdgekitError, InputError, Unreachable
from edgekit.executor import Executor, Stream
from edgekit.schema.control import MAX_LINE_BYTES, PROTOCOL, Event, Request, Status, Verb
from edgekit.schema.fleet import Device
from edgekit.schema.reader import from_json, from_raw, to_line

PYTHON = "python3"
ANSWER_S = 120.0
"""How long one answer may take. While a release settles, events come at least every few seconds."""

Watch = Callable[[Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperPaths:
    """Where things lie on a device, from its prefix."""

    prefix: str

    def below(self, path: str) -> str:
        """The place of `/path` on the device."""
        return self.prefix.rstrip("/") + path

    @property
    def program(self) -> str:
        """The keeper's zip application, as the service names it."""
        return self.below("/usr/lib/edgekit/edgekitd.pyz")

    def command(self, verb: str) -> list[str]:
        """The keeper's program with one of its verbs."""
        return [PYTHON, "-I", self.program, verb, "--prefix", self.prefix]


class KeeperClient:
    """One conversation with one keeper. Use as a context manager."""

    def __init__(self, device: Device, executor: Executor) -> None:
        self._name = device.name
        self._stream: Stream = executor.open(KeeperPaths(prefix=device.prefix).command("connect"))
        self._stream.settimeout(ANSWER_S)

    def __enter__(self) -> KeeperClient:
        """Greet the keeper and see that it speaks our protocol."""
        try:
            hello = self.ask("hello")
        except BaseException:
            self.close()
            raise
        if hello.get("protocol") != PROTOCOL:
            self.close()
            raise InputError(
                f"the keeper on {self._name} speaks protocol {hello.get('protocol')}, this edgekit speaks {PROTOCOL}",
                hint=f"edgekit provision {self._name}",
            )
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up: that also frees the deployment lock."""
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._stream.close()

    def ask(
        self, verb: Verb, *, payload: bytes = b"", watch: Watch | None = None, **fields: object
    ) -> dict[str, object]:
        """Send a request and wait for its end.

        Args:
            verb: what to ask.
            payload: raw bytes after the request.
            watch: told of every event before the end.
            fields: the request's other fields.

        Returns:
            The data of the `done` event.

        Raises:
            EdgekitError: what the keeper answered, as the class with its exit code.
            Unreachable: the link broke, or no keeper listens.
        """
        self.send(verb, payload=payload, **fields)
        for event in self._events():
            if event.kind == "done":
                return event.data
            if watch is not None:
                watch(event)
        raise self._hung_up()

    def send(self, verb: Verb, *, payload: bytes = b"", **fields: object) -> None:
        """Send a request without waiting: for `chunk`."""
        request = from_raw(Request, {"verb": verb, "payload_bytes": len(payload), **fields}, "request")
        self._stream.write(to_line(request) + payload)

    def wait_forever(self) -> None:
        """Take any silence as patience from now on: for following logs."""
        self._stream.settimeout(None)

    def status(self) -> Status:
        """What runs there."""
        return from_raw(Status, self.ask("status"), f"status of {self._name}")

    def _events(self) -> Iterator[Event]:
        while line := self._stream.readline(MAX_LINE_BYTES):
            if not line.endswith(b"\n"):
                raise self._hung_up()
            event = from_json(Event, line, f"answer of {self._name}")
            if event.kind == "error":
                kind = BY_EXIT_CODE.get(event.exit_code, EdgekitError)
                raise kind(event.message, hint=event.hint or f"edgekit logs {self._name}", details=event.details)
            yield event

    def _hung_up(self) -> EdgekitError:
        words = self._stream.errors()
        if "edgekitd.pyz" in words and ("No such file" in words or "can't open" in words):
            return InputError(f"{self._name} has no keeper", hint=f"edgekit provision {self._name}", details=words)
        return Unreachable(
            f"the keeper on {self._name} does not answer",
            hint=f"edgekit provision {self._name}; if it is provisioned: systemctl status edgekitd there",
            details=words,
        )
