"""A real sshd on a free loopback port, as the user who runs the tests, with keys of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.executor.address import SshAddress
from edgekit.executor.ssh import SshExecutor
from edgekit.executor.ssh_files import SshFiles
from edgekit.executor.ssh_login import Pulse
from edgekit.schema.fleet import Device
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.ports import free_port

PROGRAM = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host-key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
MaxStartups 200
MaxSessions 50
"""


@dataclass(slots=True)
class Sshd:
    """One server. `home` stands for the client's home folder: nothing of the real one is read or written."""

    folder: Path
    port: int
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def home(self) -> Path:
        """The client's home folder."""
        return self.folder / "home"

    @property
    def known_hosts(self) -> Path:
        """The client's known_hosts file; it knows this server."""
        return self.home / ".ssh/known_hosts"

    @property
    def identity(self) -> Path:
        """The client's private key."""
        return self.folder / "client-key"

    @property
    def address(self) -> str:
        """`USER@HOST:PORT`."""
        return f"{getpass.getuser()}@127.0.0.1:{self.port}"

    def device(self, name: str, **fields: object) -> Device:
        """This server as a device."""
        known = {"identity": str(self.identity), "known_hosts": str(self.known_hosts)}
        return Device(name=name, address=self.address, **{**known, **fields})  # type: ignore[arg-type]

    def executor(self, pulse: Pulse | None = None, **fields: object) -> SshExecutor:
        """An executor for this server; `fields` replace those of its address."""
        usual = {"host": "127.0.0.1", "port": self.port, "identity": str(self.identity)}
        files = SshFiles(user=getpass.getuser(), home=self.home)
        return SshExecutor(SshAddress(**{**usual, **fields}), files, pulse)  # type: ignore[arg-type]

    def start(self) -> None:
        """Listen."""
        assert PROGRAM is not None
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen([PROGRAM, "-D", "-e", "-f", str(self.folder / "config")], stderr=log)
        log.close()
        deadline = time.monotonic() + PATIENCE_S
        while not self._greets():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server and cut every connection to it."""
        if self._process is not None:
            connections = self._connections()
            self._process.kill()
            self._process.wait()
            self._process = None
            _signal(connections, "KILL")

    @contextmanager
    def silent(self) -> Iterator[None]:
        """For as long as the block runs the server takes what comes and answers nothing, as on a dead link."""
        connections = self._connections()
        _signal(connections, "STOP")
        try:
            yield
        finally:
            _signal(connections, "CONT")

    def _connections(self) -> list[str]:
        """Process ids that serve one connection each."""
        assert self._process is not None
        argv = ["pgrep", "-P", str(self._process.pid)]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split()

    def change_host_key(self) -> None:
        """Become another machine for whoever knew this one."""
        self.stop()
        (self.folder / "host-key").unlink()
        _make_key(self.folder / "host-key")
        self.start()

    def greet(self, greeting: str) -> None:
        """Have every login shell print this first, without an end of line, as a start-up file may."""
        shell = self.folder / "greeting-shell"
        shell.write_text(f'#!/bin/sh\ncat << "END" | head -c -1\n{greeting}\nEND\neval "$SSH_ORIGINAL_COMMAND"\n')
        shell.chmod(0o755)
        self.configure(f"ForceCommand {shell}")

    def configure(self, line: str) -> None:
        """Start anew with one more line of sshd_config."""
        with (self.folder / "config").open("a") as config:
            config.write(f"{line}\n")
        self.stop()
        self.start()

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as client:
                return client.recv(4) == b"SSH-"
        except OSError:
            return False


@contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """A server for as long as the block runs."""
    server = Sshd(folder=folder, port=free_port())
    _make_key(folder / "host-key")
    _make_key(server.identity)
    shutil.copy(server.identity.with_suffix(".pub"), folder / "authorized_keys")
    server.known_hosts.parent.mkdir(parents=True)
    kind, key, *_ = (folder / "host-key.pub").read_text().split()
    server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {kind} {key}\n")
    (folder / "config").write_text(_CONFIG.format(port=server.port, folder=folder))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's own empty folder; its service unit makes it
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _make_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)], check=True)


def _signal(pids: list[str], name: str) -> None:
    for pid in pids:
        subprocess.run(["kill", f"-{name}", pid], capture_output=True, check=False)
