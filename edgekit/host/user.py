"""Who runs edgekit, for locks and signatures: `ann@desk`."""

from __future__ import annotations

import getpass
import os
import socket


def user_name() -> str:
    """This user's name; a container's user may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user-{os.getuid()}"


def user_at_machine() -> str:
    """`ann@desk`."""
    return f"{user_name()}@{socket.gethostname()}"
