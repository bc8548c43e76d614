"""`edgekitd.pyz connect`: copies bytes between its standard streams and the keeper's socket, and knows nothing else.

It runs once per command over SSH, on boards where starting Python is slow: it imports only what it needs.
"""

import os
import select
import socket
import sys

from edgekit.schema.answer import ANSWER_MARK

_PIECE_BYTES = 1 << 16


def connect(path: str, whom: str = "the keeper") -> int:
    """Copy until the other side closes: the keeper, or a worker that shows pictures. Returns 7 where nobody answers."""
    keeper = socket.socket(socket.AF_UNIX)
    try:
        folder = os.open(os.path.dirname(path), os.O_PATH)  # noqa: PTH120  pathlib takes long to import
        keeper.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")  # noqa: PTH119  however long the path is
    except OSError as error:
        sys.stderr.write(f"{whom} does not answer on {path}: {error.strerror}\n")
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
