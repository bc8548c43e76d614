"""Cameras on loopback: those of `recipes/gate-watch/serve.py`, which the demo has too."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.fakes.eventually import PATIENCE_S

PYTHON = "/usr/bin/python3"
"""Debian's own: it has `gi`."""
SCRIPT = Path(__file__).parents[2] / "recipes" / "gate-watch" / "serve.py"


class RtspServer:
    """A running server of cameras."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("port "), line or "the server did not start: make packages"
        self.port = int(line.split()[1])

    def url(self, camera: int) -> str:
        return f"rtsp://127.0.0.1:{self.port}/cam{camera}"

    def do(self, command: str) -> None:
        """Carry out a command, such as `freeze 0`; returns when it is done."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "ok\n"


@contextlib.contextmanager
def rtsp_server(*pictures: str, login: tuple[str, Path] | None = None) -> Iterator[RtspServer]:
    """Serve some cameras.

    Args:
        pictures: what each shows: `h264`, `h265` or `mjpeg` for snow, the path of a bare H.264 stream (`.h264`), or
            of a clip (`.mp4`), which is quiet until it is told to `play`.
        login: who may see them, and the file that holds the password.
    """
    more = ["--login", login[0], str(login[1])] if login else []
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([PYTHON, str(SCRIPT), *pictures, *more], **pipes) as process:  # type: ignore[call-overload]
        try:
            yield RtspServer(process)
        finally:
            process.stdin.close()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
