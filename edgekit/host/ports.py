"""Ports of this machine's loopback."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A free port on loopback; it may be taken before it is used, so callers try again or say that it is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
