"""A real ssh-agent, and an ssh-add that knows the passphrase."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.eventually import PATIENCE_S


@contextmanager
def running_agent(folder: Path, *, password: str) -> Iterator[dict[str, str]]:
    """An agent for as long as the block runs; gives the environment in which ssh-add and others find it."""
    ask = folder / "ask"
    ask.write_text(f"#!/bin/sh\necho {password}\n")
    ask.chmod(0o700)
    with tempfile.TemporaryDirectory() as short:  # a socket's path must not be long
        socket = Path(short, "agent")
        process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not socket.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            found = {"SSH_AUTH_SOCK": str(socket), "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
            yield {**found, "DISPLAY": os.environ.get("DISPLAY", ":0")}
        finally:
            process.terminate()
            process.wait()
