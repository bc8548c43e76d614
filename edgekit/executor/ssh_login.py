"""Makes checked SSH connections, through jump hosts where ssh_config asks for them, and watches that they live."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EdgekitError, Unreachable
from edgekit.executor.address import parse_address
from edgekit.executor.host_keys import CheckKnownHosts, KnownHosts
from edgekit.executor.login_errors import not_let_in, not_there, reason_of
from edgekit.executor.ssh_config import SshLogin
from edgekit.executor.ssh_files import SshFiles
from edgekit.executor.ssh_library import paramiko
from edgekit.executor.ssh_transport import SshTransport, transport_factory

CONNECT_TIMEOUT_S = 20.0
_SEND_BUFFER_BYTES = 256 << 10
"""Small, so that on a slow link the pulse is not stuck behind data for longer than `Pulse.silence_s`."""

BROKEN = (OSError, EOFError, paramiko.SSHException)
"""All that paramiko raises when a connection cannot be had or is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """How a dead link is noticed: TCP alone waits for minutes, and a proxy in between answers for the device."""

    every_s: float = 10.0
    silence_s: float = 30.0
    """A device that leaves a question open for so long is gone."""


class Connection:
    """One logged-in connection and the hops that it goes through."""

    def __init__(self, login: SshLogin, files: SshFiles, pulse: Pulse) -> None:
        """Connect.

        Args:
            login: the device.
            files: the user's, for hops and for host keys.
            pulse: how often to ask whether the device is still there.

        Raises:
            Unreachable: no answer, or nobody is let in.
            TrustError: a host key is unknown, changed or revoked.
        """
        self._clients: list[paramiko.SSHClient] = []
        self._ended = threading.Event()
        hops = [files.login(parse_address(hop)) for hop in login.jumps]
        try:
            for hop in (*hops, login):
                self._clients.append(_log_in(hop, files.known_hosts(hop), self._way_to(hop)))
            _tune(self.transport)
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self._beat, args=(pulse,), name=f"pulse of {login.name}", daemon=True).start()

    @property
    def transport(self) -> SshTransport:
        """The connection to the device itself."""
        transport = self._clients[-1].get_transport()
        assert isinstance(transport, SshTransport)
        return transport

    def close(self) -> None:
        """Hang up, the farthest first."""
        self._ended.set()
        for client in reversed(self._clients):
            client.close()

    def _way_to(self, login: SshLogin) -> paramiko.Channel | paramiko.ProxyCommand | None:
        """What carries the connection to a hop: the hop before it, the user's command, or None for plain TCP."""
        try:
            if self._clients:
                there = (login.host, login.port)
                return self.transport.open_channel("direct-tcpip", there, ("127.0.0.1", 0), timeout=CONNECT_TIMEOUT_S)
            return paramiko.ProxyCommand(login.proxy_command) if login.proxy_command else None
        except BROKEN as error:
            hint = "look at ProxyJump and ProxyCommand in your ssh_config"
            raise Unreachable(f"no way to {login.name}: {reason_of(error)}", hint=hint) from None

    def _beat(self, pulse: Pulse) -> None:
        """Ask now and then, and hang up when there is no answer: whoever waits for data then fails at once."""
        transport = self.transport
        while not self._ended.wait(pulse.every_s) and transport.is_active():
            alarm = threading.Timer(pulse.silence_s, transport.close)
            alarm.daemon = True
            alarm.start()
            with contextlib.suppress(*BROKEN):
                transport.global_request("keepalive@openssh.com", wait=True)
            alarm.cancel()


def _log_in(
    login: SshLogin, known: KnownHosts, way: paramiko.Channel | paramiko.ProxyCommand | None
) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(CheckKnownHosts(known))
    try:
        client.connect(
            login.host,
            port=login.port,
            username=login.user,
            key_filename=list(login.identities),  # type: ignore[arg-type]  # a list is documented
            look_for_keys=False,
            allow_agent=not login.identities_only,
            pkey=_named_agent_key(login) if login.identities_only else None,
            timeout=CONNECT_TIMEOUT_S,
            banner_timeout=CONNECT_TIMEOUT_S,
            auth_timeout=CONNECT_TIMEOUT_S,
            sock=way,
            transport_factory=transport_factory(known.kinds),
        )
    except (*BROKEN, EdgekitError) as error:
        transport = client.get_transport()
        let_down = not_let_in if transport is not None and transport.initial_kex_done else not_there
        client.close()
        raise error if isinstance(error, EdgekitError) else let_down(login, error) from None
    return client


def _named_agent_key(login: SshLogin) -> paramiko.PKey | None:
    """With IdentitiesOnly: a key of the agent's, where ssh_config names it by its public half."""
    named = set()
    for file in login.named:
        with contextlib.suppress(OSError, IndexError):
            public = Path(f"{file.removesuffix('.pub')}.pub")
            named.add(public.read_text(encoding="utf-8", errors="replace").split()[1])
    try:
        keys = paramiko.Agent().get_keys() if named else ()
    except (paramiko.SSHException, OSError):
        return None
    return next((key for key in keys if key.get_base64() in named), None)


def _tune(transport: paramiko.Transport) -> None:
    sock = transport.sock
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
