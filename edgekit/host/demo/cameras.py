"""RTSP cameras on this machine's loopback that show a recipe's clips: its own `serve.py`, on Debian's Python."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgekit.errors import EdgekitError, Unreachable
from edgekit.executor import Executor, Stream

PYTHON = "/usr/bin/python3"
"""Debian's own: `gi` fits no other."""
_START_S, _ANSWER_S = 60.0, 20.0
_LONGEST = 1000


class ClipCameras:
    """A running server of cameras. It ends with its standard input, so it cannot outlive this process."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.played: set[int] = set()
        """Cameras whose clip is through."""
        word, _, port = self._line(_START_S).partition(" ")
        if word != "port" or not port.isdigit():
            raise EdgekitError("the RTSP server did not start", hint=_HINT, details=stream.errors())
        self.port = int(port)

    def url(self, camera: int, host: str = "127.0.0.1") -> str:
        """Where a camera is, as `host` of its viewer calls this machine."""
        return f"rtsp://{host}:{self.port}/cam{camera}"

    def do(self, command: str) -> None:
        """Carry out a command, such as `play 0`; returns when it is done.

        Raises:
            EdgekitError: the server has ended.
        """
        self._stream.write(f"{command}\n".encode())
        while (line := self._line(_ANSWER_S)) != "ok":
            self._note(line)

    def look(self) -> None:
        """Take in what the server has said meanwhile.

        Raises:
            EdgekitError: the server has ended.
        """
        with contextlib.suppress(Unreachable):
            while True:
                self._note(self._line(0.01))

    def _note(self, line: str) -> None:
        word, _, number = line.partition(" ")
        if word == "played" and number.isdigit():
            self.played.add(int(number))

    def _line(self, patience_s: float) -> str:
        self._stream.settimeout(patience_s)
        line = self._stream.readline(_LONGEST)
        if not line.endswith(b"\n"):
            raise EdgekitError("the RTSP server has ended", hint=_HINT, details=self._stream.errors())
        return line.decode(errors="replace").strip()


_HINT = f"try it alone: {PYTHON} serve.py CLIP"


@contextlib.contextmanager
def clip_cameras(
    executor: Executor, script: Path, shown: Sequence[str], *, login: tuple[str, Path] | None = None, fps: float = 10.0
) -> Iterator[ClipCameras]:
    """Serve one camera for each clip, until the end.

    Args:
        executor: of this machine.
        script: a recipe's `serve.py`.
        shown: clips, or codecs of test pictures.
        login: who may see them, and the file that holds the password.
        fps: at which clips are played; slower than they were drawn for a board that is emulated.
    """
    more = ["--login", login[0], str(login[1])] if login else []
    stream = executor.open([PYTHON, str(script), *shown, *more, "--fps", f"{fps:g}"])
    try:
        yield ClipCameras(stream)
    finally:
        stream.close()
