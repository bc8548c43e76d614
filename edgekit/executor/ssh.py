"""Programs on a device, over SSH: one connection, a channel for each program.

The user's ssh_config is honoured, host keys are checked against known_hosts and never added by themselves.
"""

from __future__ import annotations

import shlex
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import paramiko

from edgekit.errors import TrustError, Unreachable
from edgekit.executor import Completed, Stream

_CONNECT_TIMEOUT_S = 20.0
_KEEPALIVE_S = 5
_WINDOW_BYTES = 2 << 20
_IDENTITIES = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True, slots=True, kw_only=True)
class SshAddress:
    """Where and as whom to log in, before ssh_config has its say."""

    host: str
    user: str = ""
    port: int = 0
    """0: ssh_config's, or 22."""
    identity: str = ""
    known_hosts: str = ""
    host_key_alias: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Login:
    """An address with ssh_config applied."""

    host: str
    user: str
    port: int
    identities: tuple[str, ...]
    known_hosts: tuple[str, ...]
    key_name: str
    """The name under which known_hosts has the host's key."""
    proxy_command: str
    jump: str

    @property
    def name(self) -> str:
        return f"{self.user}@{self.host}:{self.port}"


class SshExecutor:
    """Runs programs on one device. Connects at first use and again after the link broke."""

    def __init__(self, address: SshAddress, *, user: str, home: Path) -> None:
        """Read ssh_config; nothing is connected yet.

        Args:
            address: the device.
            user: this user's name, for when neither address nor ssh_config names one.
            home: this user's home, for `.ssh`.
        """
        self._home = home
        self._fallback_user = user
        self._login = _apply_config(address, user, home)
        self._client: paramiko.SSHClient | None = None
        self._jump: paramiko.SSHClient | None = None

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
        """Run to the end. See `Executor.run`."""
        channel = self._channel()
        try:
            channel.settimeout(timeout_s)
            channel.exec_command(_command(argv, env, cwd))
            return _communicate(channel, argv, stdin, time.monotonic() + timeout_s)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(error) from None
        finally:
            channel.close()

    def open(self, argv: Sequence[str]) -> Stream:
        """Start a program and talk to it. See `Executor.open`."""
        channel = self._channel()
        try:
            channel.exec_command(_command(argv, None, None))
        except (OSError, EOFError, paramiko.SSHException) as error:
            channel.close()
            raise self._lost(error) from None
        return SshStream(channel, self.name)

    def close(self) -> None:
        """Close the connection."""
        for client in (self._client, self._jump):
            if client is not None:
                client.close()
        self._client = self._jump = None

    def _channel(self) -> paramiko.Channel:
        transport = self._client.get_transport() if self._client else None
        if transport is None or not transport.is_active():
            self.close()
            transport = self._connect()
        try:
            return transport.open_session(window_size=_WINDOW_BYTES, timeout=_CONNECT_TIMEOUT_S)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(error) from None

    def _connect(self) -> paramiko.Transport:
        sock = self._proxy()
        self._client = _log_in(self._login, sock)
        transport = self._client.get_transport()
        assert transport is not None
        transport.set_keepalive(_KEEPALIVE_S)
        return transport

    def _proxy(self) -> paramiko.Channel | paramiko.ProxyCommand | None:
        if self._login.proxy_command:
            return paramiko.ProxyCommand(self._login.proxy_command)
        if not self._login.jump:
            return None
        jump = _apply_config(parse_address(self._login.jump), self._fallback_user, self._home)
        self._jump = _log_in(jump, None)
        transport = self._jump.get_transport()
        assert transport is not None
        return transport.open_channel("direct-tcpip", (self._login.host, self._login.port), ("127.0.0.1", 0))

    def _lost(self, error: BaseException) -> Unreachable:
        self.close()
        return Unreachable(
            f"the connection to {self.name} broke: {_words(error)}",
            hint="look at the link and run the same command again",
        )


class SshStream:
    """A program on a device as a `Stream`."""

    def __init__(self, channel: paramiko.Channel, name: str) -> None:
        self._channel = channel
        self._name = name
        self._buffer = bytearray()
        self._ended = False

    def write(self, data: bytes) -> None:
        """See `Stream.write`."""
        try:
            self._channel.sendall(data)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._gone(error) from None

    def readline(self, limit: int) -> bytes:
        """See `Stream.readline`."""
        while (end := self._buffer.find(b"\n") + 1) == 0 and len(self._buffer) < limit and not self._ended:
            self._fill()
        return self._take(min(end or len(self._buffer), limit))

    def read(self, size: int) -> bytes:
        """See `Stream.read`."""
        while len(self._buffer) < size and not self._ended:
            self._fill()
        return self._take(size)

    def settimeout(self, seconds: float | None) -> None:
        """See `Stream.settimeout`."""
        self._channel.settimeout(seconds)

    def errors(self) -> str:
        """See `Stream.errors`."""
        text = b""
        while self._channel.recv_stderr_ready():
            text += self._channel.recv_stderr(1 << 16)
        return text.decode(errors="replace").strip()

    def close(self) -> None:
        """See `Stream.close`."""
        self._channel.close()

    def _fill(self) -> None:
        try:
            data = self._channel.recv(1 << 18)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._gone(error) from None
        self._buffer += data
        self._ended = not data

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _gone(self, error: BaseException) -> Unreachable:
        return Unreachable(
            f"the connection to {self._name} broke: {_words(error)}",
            hint="look at the link and run the same command again",
            details=self.errors(),
        )


def parse_address(text: str) -> SshAddress:
    """Read `[USER@]HOST[:PORT]`; an IPv6 address stands in brackets.

    Raises:
        ValueError: not an address.
    """
    user, at, rest = text.rpartition("@")
    if rest.startswith("["):
        host, closed, port = rest[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            raise ValueError(text)
        port = port[1:]
    else:
        host, _, port = rest.partition(":")
    if (
        not host
        or host.startswith("-")
        or (at and not user)
        or (port and not (port.isdigit() and 0 < int(port) < 65536))
    ):
        raise ValueError(text)
    return SshAddress(host=host, user=user, port=int(port or 0))


def _apply_config(address: SshAddress, user: str, home: Path) -> _Login:
    """What OpenSSH would do with this address. Source: ssh_config(5)."""
    file = home / ".ssh" / "config"
    config = paramiko.SSHConfig.from_path(str(file)) if file.is_file() else paramiko.SSHConfig()
    found = config.lookup(address.host)
    host = str(found.get("hostname", address.host))
    port = address.port or int(found.get("port", 22))
    alias = address.host_key_alias or str(found.get("hostkeyalias", ""))
    named = (
        [address.identity]
        if address.identity
        else [str(Path(name).expanduser()) for name in found.get("identityfile", [])]
    )
    usual = [str(home / ".ssh" / name) for name in _IDENTITIES]
    hosts = address.known_hosts or str(found.get("userknownhostsfile", ""))
    known = hosts.split() if hosts else [str(home / ".ssh" / "known_hosts"), "/etc/ssh/ssh_known_hosts"]
    jump = str(found.get("proxyjump", ""))
    return _Login(
        host=host,
        user=address.user or str(found.get("user", user)),
        port=port,
        identities=tuple(name for name in (named or usual) if Path(name).is_file()),
        known_hosts=tuple(str(Path(name).expanduser()) for name in known),
        key_name=alias or (host if port == 22 else f"[{host}]:{port}"),
        proxy_command=str(found.get("proxycommand", "")),
        jump="" if jump.lower() == "none" else jump,
    )


class _KnownKey(paramiko.MissingHostKeyPolicy):
    """Checks the key under the name that known_hosts has for it; paramiko itself knows no HostKeyAlias."""

    def __init__(self, login: _Login, keys: paramiko.HostKeys) -> None:
        self._login = login
        self._keys = keys

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002
        known = self._keys.lookup(self._login.key_name)
        file = self._login.known_hosts[0]
        if known is not None and self._keys.check(self._login.key_name, key):
            return
        if known is None:
            raise TrustError(
                f"the host key of {self._login.name} is not known",
                hint=f"compare it with the board's own ({key.get_name()} {key.fingerprint}), then accept it once: "
                f"ssh -p {self._login.port} {self._login.user}@{self._login.host}",
            )
        raise TrustError(
            f"the host key of {self._login.name} has changed: somebody may be in between, or the board was set up anew",
            hint=f"if you set it up anew: ssh-keygen -R '{self._login.key_name}' -f {file}",
            details=f"the board shows {key.get_name()} {key.fingerprint}",
        )


def _log_in(login: _Login, sock: paramiko.Channel | paramiko.ProxyCommand | None) -> paramiko.SSHClient:
    keys = paramiko.HostKeys()
    for file in login.known_hosts:
        if Path(file).is_file():
            keys.load(file)
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(_KnownKey(login, keys))
    try:
        client.connect(
            login.host,
            port=login.port,
            username=login.user,
            key_filename=list(login.identities) or None,  # type: ignore[arg-type]  # a list is documented
            look_for_keys=False,
            timeout=_CONNECT_TIMEOUT_S,
            banner_timeout=_CONNECT_TIMEOUT_S,
            auth_timeout=_CONNECT_TIMEOUT_S,
            sock=sock,
            transport_factory=_transport_for(keys, login.key_name),
        )
    except TrustError:
        client.close()
        raise
    except paramiko.AuthenticationException as error:
        client.close()
        tried = ", ".join(login.identities) or "no key file"
        raise Unreachable(
            f"{login.name} does not let us in: {_words(error)}",
            hint=f"put your public key on the board: ssh-copy-id {login.user}@{login.host} (tried: agent, {tried})",
        ) from None
    except (OSError, EOFError, paramiko.SSHException) as error:
        client.close()
        raise Unreachable(
            f"{login.name} does not answer: {_words(error)}",
            hint=f"is it up? ssh -p {login.port} {login.user}@{login.host}",
        ) from None
    return client


def _transport_for(keys: paramiko.HostKeys, name: str):  # type: ignore[no-untyped-def]
    """Ask the server for a kind of key that known_hosts has, as OpenSSH does: another kind could not be checked."""
    kinds = list(keys.lookup(name) or {})

    def make(sock: socket.socket, **options: object) -> paramiko.Transport:
        transport = paramiko.Transport(sock, **options)  # type: ignore[arg-type]
        offered = transport.get_security_options()
        wanted = [
            kind for kind in offered.key_types if kind in kinds or ("ssh-rsa" in kinds and kind.startswith("rsa-"))
        ]
        if wanted:
            offered.key_types = wanted
        return transport

    return make


def _command(argv: Sequence[str], env: Mapping[str, str] | None, cwd: str | None) -> str:
    words = ["env", *(f"{name}={value}" for name, value in env.items())] if env else []
    command = shlex.join([*words, *argv])
    return f"cd {shlex.quote(cwd)} && exec {command}" if cwd else f"exec {command}"


def _communicate(channel: paramiko.Channel, argv: Sequence[str], stdin: bytes, deadline: float) -> Completed:
    """Feed and drain a program at once, so that neither side waits for the other."""
    out, err, rest = bytearray(), bytearray(), memoryview(stdin)
    closed = False
    while True:
        if not rest and not closed:
            channel.shutdown_write()
            closed = True
        moved = False
        if rest and channel.send_ready():
            rest = rest[channel.send(bytes(rest[: 1 << 16])) :]
            moved = True
        if channel.recv_ready():
            out += channel.recv(1 << 18)
            moved = True
        if channel.recv_stderr_ready():
            err += channel.recv_stderr(1 << 18)
            moved = True
        if not moved and channel.exit_status_ready() and channel.eof_received:
            break
        if not moved and channel.closed:
            raise EOFError
        if time.monotonic() > deadline:
            raise TimeoutError("no answer in time")
        if not moved:
            time.sleep(0.005)
    return Completed(argv=tuple(argv), returncode=channel.recv_exit_status(), stdout=bytes(out), stderr=bytes(err))


def _words(error: BaseException) -> str:
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        return "; ".join(sorted({str(getattr(cause, "strerror", cause)) for cause in error.errors.values()}))
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
