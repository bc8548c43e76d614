"""One user's SSH files: ssh_config and known_hosts, each read once however many devices are asked."""

from __future__ import annotations

import threading
from pathlib import Path

from edgekit.executor.address import SshAddress
from edgekit.executor.host_keys import KnownHosts, KnownHostsFile
from edgekit.executor.ssh_config import SshLogin, read_ssh_config, resolve_login
from edgekit.executor.ssh_library import paramiko

_Version = tuple[int, int, int]
"""Inode, size and time of the last change: when they differ, the file has changed."""


class SshFiles:
    """How one user logs in, and which host keys they know. Threads may share it."""

    def __init__(self, *, user: str, home: Path) -> None:
        """Nothing is read yet.

        Args:
            user: this user's name, for when neither address nor ssh_config names one.
            home: this user's home, for `.ssh`.
        """
        self._user = user
        self._home = home
        self._guard = threading.Lock()
        self._config: paramiko.SSHConfig | None = None
        self._known: dict[str, tuple[_Version, KnownHostsFile]] = {}

    def login(self, address: SshAddress) -> SshLogin:
        """How to log in at an address.

        Raises:
            InputError: ssh_config cannot be read.
        """
        with self._guard:
            if self._config is None:
                self._config = read_ssh_config(self._home)
            return resolve_login(address, self._config, user=self._user, home=self._home)

    def known_hosts(self, login: SshLogin) -> KnownHosts:
        """What is known of a server; a file that the user changed meanwhile is read again."""
        with self._guard:
            files = [self._file(name) for name in login.known_hosts]
        return KnownHosts(login, [file for file in files if file is not None])

    def _file(self, name: str) -> KnownHostsFile | None:
        """One file; None where there is none."""
        path = Path(name)
        if not path.is_file():
            return None
        state = path.stat()
        version = (state.st_ino, state.st_size, state.st_mtime_ns)
        if name not in self._known or self._known[name][0] != version:
            text = path.read_text(encoding="utf-8", errors="replace")
            self._known[name] = (version, KnownHostsFile(name, text))
        return self._known[name][1]
