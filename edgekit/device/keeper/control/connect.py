"""`edgekitd.pyz connect`: copies bytes between its standard streams and the keeper's socket, and knows nothing else.

It runs once per command over SSH, on boards where starting Python is slow: it imports only what it needs.
"""

import os
import select
import socket
import sys

from edgekit.schema.answer import ANSWER_MARK

_PIECE_BYTES = 1 << 16


def connect(path: str) -> int:
    """Copy until the keeper closes. Returns 7 where no keeper answers."""
    keeper = socket.socket(socket.AF_UNIX)
    try:
        keeper.connect(path)
    except OSError as error:
        sys.stderr.write(f"the keeper does not answer on {path}: {error.strerror}\n")
        return 7
    try:
        os.write(1, f"\n{ANSWER_MARK}\n".encode())
        _copy(keeper)
    except (BrokenPipeError, ConnectionResetError):
        return 0  # one side has gone: so does this
    return 0


def _copy(keeper: socket.socket) -> None:
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(keeper, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            data = os.read(fd, _PIECE_BYTES)
            if fd == 0 and data:
                _send(keeper, data, poll)
            elif fd == 0:
                poll.unregister(0)
                keeper.shutdown(socket.SHUT_WR)
            elif not data:
                return
            while fd != 0 and data:
                data = data[os.write(1, data) :]


def _send(keeper: socket.socket, data: bytes, poll: select.poll) -> None:
    """Send on; a keeper that takes no more may still have sent the reason."""
    try:
        keeper.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        poll.unregister(0)
