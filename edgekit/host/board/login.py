"""Logging in to a board with OpenSSH's client, its host key checked."""

from __future__ import annotations

import os
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import EdgekitError, InputError, Unreachable
from edgekit.executor import Executor
from edgekit.executor.processes import is_running
from edgekit.host.disk import write_whole

KEY_ALIAS = "edgekit-board"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How to log in as root on one board."""

    port: int
    identity: Path
    known_hosts: Path

    def argv(self) -> list[str]:
        """The ssh client's command line, up to the remote command."""
        options = (
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self.known_hosts}",
            f"HostKeyAlias={KEY_ALIAS}",
            "IdentitiesOnly=yes",
            "LogLevel=ERROR",
            "ConnectTimeout=20",
        )
        given = [word for option in options for word in ("-o", option)]
        return ["ssh", "-F", "none", "-i", str(self.identity), "-p", str(self.port), *given, "root@127.0.0.1"]

    def run(self, executor: Executor, command: str, *, stdin: bytes = b"", timeout_s: float = 120.0) -> str:
        """Run a shell command on the board and give its output.

        Raises:
            Unreachable: ssh could not get there.
            EdgekitError: the command failed.
        """
        done = executor.run([*self.argv(), command], timeout_s=timeout_s, stdin=stdin)
        if done.returncode == 255:
            raise Unreachable("the board does not let us in", hint="edgekit board list", details=done.output)
        if done.returncode:
            raise EdgekitError(f"on the board, {command[:80]!r} failed", hint="edgekit board ssh", details=done.output)
        return done.text


def write_known_hosts(file: Path, public_key: str) -> None:
    """One line: this key under the boards' alias."""
    kind, key = public_key.split()[:2]
    write_whole(file, f"{KEY_ALIAS} {kind} {key}\n".encode())


def answers(port: int, wait_s: float = 3.0) -> bool:
    """Whether an sshd greets there. An open port says nothing: QEMU accepts before the board listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
            client.settimeout(wait_s)
            return client.recv(16).startswith(b"SSH-2.0")
    except OSError:
        return False


def wait_for_sshd(port: int, pid: int, log: Path, limit_s: float = 300.0) -> None:
    """Wait for the greeting of a board that boots.

    Raises:
        EdgekitError: QEMU ended, or nothing greeted in time.
    """
    deadline = time.monotonic() + limit_s
    while not answers(port):
        if not is_running(pid):
            words = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise EdgekitError("QEMU ended while the board booted", hint=f"see {log}", details=words)
        if time.monotonic() > deadline:
            raise Unreachable(f"the board did not boot within {limit_s:g} s", hint=f"see {log.parent}/console.log")
        time.sleep(0.2)


def exec_ssh(login: Login, command: list[str]) -> None:
    """Become the ssh client. Does not return.

    Raises:
        InputError: there is none.
    """
    argv = login.argv()
    if shutil.which(argv[0]) is None:
        raise InputError(f"{argv[0]} is not on this machine", hint="install openssh-client")
    os.execvp(argv[0], [*argv, *command])  # noqa: S606  the user's terminal belongs to ssh from here on
