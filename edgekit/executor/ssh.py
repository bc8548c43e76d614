"""Programs on a device, over SSH: one connection, a channel for each program.

The user's ssh_config is honoured, host keys are checked against known_hosts and never added by themselves.
"""

from __future__ import annotations

import contextlib
import shlex
import threading
import time
from collections.abc import Mapping, Sequence

from edgekit.errors import Unreachable
from edgekit.executor import Completed, Stream
from edgekit.executor.address import SshAddress
from edgekit.executor.capture import LINGER_S, Bounded
from edgekit.executor.login_errors import reason_of
from edgekit.executor.record import record_program
from edgekit.executor.ssh_files import SshFiles
from edgekit.executor.ssh_library import paramiko
from edgekit.executor.ssh_login import BROKEN, CONNECT_TIMEOUT_S, Connection, Pulse
from edgekit.executor.ssh_transport import SshTransport

_WINDOW_BYTES = 2 << 20
_PIECE_BYTES = 1 << 18
_PACKET_BYTES = 1 << 15
"""More than that paramiko does not send at once."""
_MAX_ERRORS_BYTES = 1 << 20
_HINT = "look at the link and run the same command again"


class SshExecutor:
    """Runs programs on one device. Connects at first use, and again after the link broke. Threads may share it."""

    def __init__(self, address: SshAddress, files: SshFiles, pulse: Pulse | None = None) -> None:
        """Find out how to log in; nothing is connected yet.

        Args:
            address: the device.
            files: the user's ssh_config and known_hosts; executors share them.
            pulse: how a dead link is noticed.
        """
        self._pulse = pulse or Pulse()
        self._files = files
        self._login = files.login(address)
        self._connection: Connection | None = None
        self._guard = threading.Lock()

    @property
    def name(self) -> str:
        """`root@10.0.0.7:22`."""
        return self._login.name

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Completed:
        """Run to the end. See `Executor.run`. What a signal ended has the return code -1: SSH does not tell which."""
        channel = self._start(_command(argv, env, cwd))
        began = time.monotonic()
        try:
            done = _communicate(channel, argv, stdin, began + timeout_s)
        except TimeoutError:
            message = f"{argv[0]} on {self.name} did not end within {timeout_s:g} s"
            raise Unreachable(message, hint=_HINT) from None
        except BROKEN as error:
            raise _broken(self.name, error) from None
        finally:
            _close(channel)
        record_program(self.name, done, time.monotonic() - began)
        return done

    def open(self, argv: Sequence[str]) -> Stream:
        """Start a program and talk to it. See `Executor.open`."""
        return SshStream(self._start(_command(argv, None, None)), self.name)

    def open_socket(self, path: str) -> Stream | None:
        """Connect to a socket over there, without a program. See `OpensSockets.open_socket`."""
        transport = self._transport()
        try:
            channel = transport.open_socket(path, window_bytes=_WINDOW_BYTES, timeout_s=CONNECT_TIMEOUT_S)
        except paramiko.ChannelException:
            return None
        except BROKEN as error:
            raise _broken(self.name, error) from None
        return SshStream(channel, self.name)

    def close(self) -> None:
        """Close the connection."""
        with self._guard:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _start(self, command: str) -> paramiko.Channel:
        """Start a program on a channel of its own."""
        transport = self._transport()
        try:
            channel = transport.open_session(window_size=_WINDOW_BYTES, timeout=CONNECT_TIMEOUT_S)
            channel.settimeout(CONNECT_TIMEOUT_S)
            channel.exec_command(command)
        except BROKEN as error:
            raise _broken(self.name, error) from None
        channel.settimeout(None)
        return channel

    def _transport(self) -> SshTransport:
        with self._guard:
            if self._connection is None or not self._connection.transport.is_active():
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
                self._connection = Connection(self._login, self._files, self._pulse)
            return self._connection.transport


def _close(channel: paramiko.Channel) -> None:
    """Close a channel; on a link that breaks at that moment paramiko cannot say so to the device, and raises."""
    with contextlib.suppress(*BROKEN):
        channel.close()


class SshStream:
    """A program on a device as a `Stream`. One thread uses it at a time."""

    def __init__(self, channel: paramiko.Channel, name: str) -> None:
        self._channel = channel
        self._name = name
        self._buffer = bytearray()
        self._timeout: float | None = None
        self._ended = False

    def write(self, data: bytes) -> None:
        """See `Stream.write`."""
        view, deadline = memoryview(data), self._deadline()
        try:
            while view:
                self._wait_until(deadline)
                view = view[self._channel.send(bytes(view[:_PACKET_BYTES])) :]
        except BROKEN as error:
            raise self._gone(error) from None

    def readline(self, limit: int) -> bytes:
        """See `Stream.readline`."""
        deadline = self._deadline()
        while (end := self._buffer.find(b"\n") + 1) == 0 and len(self._buffer) < limit and not self._ended:
            self._fill(deadline)
        return self._take(min(end or len(self._buffer), limit))

    def read(self, size: int) -> bytes:
        """See `Stream.read`."""
        deadline = self._deadline()
        while len(self._buffer) < size and not self._ended:
            self._fill(deadline)
        return self._take(size)

    def receive(self, limit: int) -> bytes:
        """See `Stream.receive`."""
        if not self._buffer and not self._ended:
            self._fill(self._deadline())
        return self._take(min(limit, len(self._buffer)))

    def settimeout(self, seconds: float | None) -> None:
        """See `Stream.settimeout`."""
        self._timeout = seconds

    def errors(self) -> str:
        """See `Stream.errors`."""
        text = b""
        while len(text) < _MAX_ERRORS_BYTES and self._channel.recv_stderr_ready():
            text += self._channel.recv_stderr(_PIECE_BYTES)
        return text.decode(errors="replace").strip()

    def close(self) -> None:
        """See `Stream.close`."""
        _close(self._channel)

    def _deadline(self) -> float | None:
        return None if self._timeout is None else time.monotonic() + self._timeout

    def _wait_until(self, deadline: float | None) -> None:
        """Have the channel wait no longer than to the deadline of the whole call, however little comes at a time."""
        self._channel.settimeout(None if deadline is None else max(0.0, deadline - time.monotonic()))

    def _fill(self, deadline: float | None) -> None:
        """Take what has come. Raises Unreachable where the connection, rather than the program, has ended."""
        self._wait_until(deadline)
        try:
            data = self._channel.recv(_PIECE_BYTES)
        except BROKEN as error:
            raise self._gone(error) from None
        self._buffer += data
        self._ended = not data
        if self._ended and not self._channel.get_transport().is_active():
            raise self._gone(EOFError("the device does not answer any more"))

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _gone(self, error: BaseException) -> Unreachable:
        return _broken(self._name, error, self.errors())


def _broken(name: str, error: BaseException, details: str = "") -> Unreachable:
    return Unreachable(f"the connection to {name} broke: {reason_of(error)}", hint=_HINT, details=details)


def _command(argv: Sequence[str], env: Mapping[str, str] | None, cwd: str | None) -> str:
    """One line for the shell over there, which replaces itself by the program."""
    words = ["env", *(f"{name}={value}" for name, value in env.items())] if env else []
    command = "exec " + shlex.join([*words, *argv])
    return f"cd {shlex.quote(cwd)} && {command}" if cwd else command


def _communicate(channel: paramiko.Channel, argv: Sequence[str], stdin: bytes, deadline: float) -> Completed:
    """Feed and drain a program at once, so that neither side waits for the other.

    Raises:
        TimeoutError: it did not end in time.
        EOFError: the connection ended before the program did.
    """
    stdout, stderr = Bounded(), Bounded()
    helpers = [
        threading.Thread(target=_feed, args=(channel, stdin), daemon=True),
        threading.Thread(target=_drain_errors, args=(channel, stderr), daemon=True),
    ]
    for helper in helpers:
        helper.start()
    try:
        _drain(channel, stdout, deadline)
        if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
    finally:
        # A program that ended and left somebody with its output open: sshd would wait for them.
        if not channel.exit_status_ready() or not channel.eof_received:
            _close(channel)
        for helper in helpers:
            helper.join(CONNECT_TIMEOUT_S)
    if channel.exit_status == -1 and not channel.get_transport().is_active():
        raise EOFError("the device does not answer any more")
    return Completed(argv=tuple(argv), returncode=channel.exit_status, stdout=stdout.content(), stderr=stderr.content())


def _drain(channel: paramiko.Channel, into: Bounded, deadline: float) -> None:
    """Take what comes until the end of the output, or until the program has ended and nothing came for a while.

    sshd tells the end before it has read the last output: the while begins when the end is known.
    """
    ended = False
    while True:
        left = deadline - time.monotonic()
        channel.settimeout(LINGER_S if ended else max(0.0, min(left, LINGER_S)))
        try:
            data = channel.recv(_PIECE_BYTES)
        except TimeoutError:
            if ended:
                return
            ended = channel.exit_status_ready()
            if left <= LINGER_S and not ended:
                raise
            continue
        if not data:
            return
        into.add(data)
        if left <= 0 and not channel.exit_status_ready():
            raise TimeoutError


def _feed(channel: paramiko.Channel, data: bytes) -> None:
    with contextlib.suppress(*BROKEN):  # a program need not read all of its input; a broken link shows in reading
        channel.sendall(data)
        channel.shutdown_write()


def _drain_errors(channel: paramiko.Channel, into: Bounded) -> None:
    with contextlib.suppress(*BROKEN):
        while data := channel.recv_stderr(_PIECE_BYTES):
            into.add(data)
