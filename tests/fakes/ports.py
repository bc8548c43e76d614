"""Loopback ports for servers that must be told theirs, also while other tests run beside this one."""

from __future__ import annotations

import socket

_HELD: list[socket.socket] = []


def free_port() -> int:
    """A port on which a server may listen, and which the kernel gives to nobody else while this process lives.

    It stays bound here without listening. That keeps it from whoever asks for any port, while a server that sets
    SO_REUSEADDR, as all do, can still listen on it.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _HELD.append(holder)
    return int(holder.getsockname()[1])
