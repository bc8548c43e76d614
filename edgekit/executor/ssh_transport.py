"""An SSH connection that takes strong algorithms alone, and leads to sockets over there without a program.

Source: OpenSSH, PROTOCOL, section 2.4 (`direct-streamlocal@openssh.com`).
"""

from __future__ import annotations

import logging
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

from edgekit.executor.ssh_library import paramiko

CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr")
"""Of what paramiko has, without CBC and 3DES; first those that check what they carry themselves, which costs less."""
DIGESTS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
"""Without SHA-1, MD5 and what is cut to 96 bits."""
WEAK = ("sha1", "ssh-dss", "ssh-rsa", "cbc", "md5", "-96")
"""What no name of an algorithm that is offered contains or, of keys, is."""
_SOCKET_CHANNEL = "direct-streamlocal@openssh.com"
_AHEAD_BYTES, _AHEAD_BYTES_PER_S = 256 << 10, 20 << 20
"""How much may be on its way to a socket that nobody has read yet: at least, and more the longer a round trip takes."""
_ROUND_TRIP_AT = 68
"""Where the kernel has it in `struct tcp_info`, in microseconds. Source: Linux, include/uapi/linux/tcp.h."""


class SshTransport(paramiko.Transport):
    """paramiko's, with one more kind of channel."""

    def __init__(self, sock: socket.socket, **options: Any) -> None:
        super().__init__(sock, **options)
        self._opening = threading.local()
        """Of each thread: the path for the channel that it opens."""

    def open_socket(self, path: str, *, window_bytes: int, timeout_s: float) -> paramiko.Channel:
        """Connect to a Unix socket over there, as the user who is logged in.

        OpenSSH takes 2 MiB that nobody has read yet, into a buffer that it copies whole for each packet more: on a
        slow board that cost more than to decrypt them. So it is given less at once, where the round trip is known; a
        server that has not said to be OpenSSH might not ask for more by then.

        Raises:
            ChannelException: sshd forwards no sockets, or nobody listens there.
            SSHException: the connection is lost.
        """
        self._opening.path = path
        channel = self.open_channel(_SOCKET_CHANNEL, window_size=window_bytes, timeout=timeout_s)
        round_trip_s = _round_trip_s(self.sock)
        if round_trip_s is not None and "OpenSSH" in self.remote_version:
            ahead = max(_AHEAD_BYTES, int(round_trip_s * _AHEAD_BYTES_PER_S))
            channel.out_window_size = min(channel.out_window_size, ahead)
        return channel

    def _send_user_message(self, data: paramiko.Message) -> None:
        """Called by paramiko for each message; it knows nothing of what stands at the end of this one."""
        path = getattr(self._opening, "path", "")
        if path:
            self._opening.path = ""
            data.add_string(path)
            data.add_string("")  # reserved
            data.add_int(0)  # reserved
        super()._send_user_message(data)  # type: ignore[misc]  # the types leave it out


def transport_factory(kinds: frozenset[str]) -> Callable[..., paramiko.Transport]:
    """Make connections that ask for a kind of host key that known_hosts has: another could not be checked.

    Args:
        kinds: of the keys that are known of the server.
    """

    def make(sock: socket.socket, **options: object) -> paramiko.Transport:
        transport = SshTransport(sock, **options)
        transport.logger = _silent()
        offered = transport.get_security_options()
        offered.ciphers, offered.digests = CIPHERS, DIGESTS
        offered.kex = tuple(name for name in offered.kex if not is_weak(name))
        strong = [name for name in offered.key_types if not is_weak(name)]
        known = [name for name in strong if name in kinds or ("ssh-rsa" in kinds and name.startswith("rsa-"))]
        offered.key_types = (*known, *(name for name in strong if name not in known))
        return transport

    return make


def _round_trip_s(sock: object) -> float | None:
    """The link's, without what programs at its ends take; None over a jump host or a proxy."""
    if not isinstance(sock, socket.socket):
        return None
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ROUND_TRIP_AT + 4)
        return float(struct.unpack_from("=I", told, _ROUND_TRIP_AT)[0]) / 1e6
    except (OSError, struct.error):  # it is no TCP connection
        return None


def is_weak(name: str) -> bool:
    """Whether an algorithm must not be used any more."""
    return any(word in name for word in WEAK)


def _silent() -> logging.Logger:
    """paramiko logs tracebacks of what it also raises; Python prints them where no handler is."""
    logger = logging.Logger("edgekit.ssh")
    logger.addHandler(logging.NullHandler())
    return logger
