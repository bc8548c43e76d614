"""This machine as a device named `host`: a private folder, a private sshd on loopback, no root, no virtual machine."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
import time
from pathlib import Path

from edgekit.errors import EdgekitError, InputError, NothingSelected
from edgekit.executor import Executor
from edgekit.executor.local import start_detached, stop
from edgekit.executor.processes import is_running
from edgekit.host.board.login import KEY_ALIAS, answers, write_known_hosts
from edgekit.host.board.ownership import runs
from edgekit.host.disk import write_whole
from edgekit.host.ports import free_port
from edgekit.host.settings import Settings
from edgekit.schema.board import BoardPaths
from edgekit.schema.fleet import HOST, Device
from edgekit.schema.reader import from_json, to_json
from edgekit.trust import sha256_bytes

_SSHD = ("/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd")
_MAX_SOCKET_BYTES = 100
_DIGEST = 12
"""Letters of a folder's own digest: another home of this user has another device."""


class ThisMachine:
    """The device `host` of one user."""

    def __init__(self, settings: Settings, executor: Executor) -> None:
        self._folder = settings.state_dir / "boards" / HOST
        self._executor = executor

    @property
    def prefix(self) -> Path:
        """Root of edgekit's tree on this device; below /tmp where the state folder is too deep for a socket."""
        root = self._folder / "root"
        if len(os.fsencode(BoardPaths(prefix=str(root)).socket)) <= _MAX_SOCKET_BYTES:
            return root
        own = sha256_bytes(os.fsencode(self._folder))[:_DIGEST]
        return Path(f"/tmp/edgekit-{os.getuid()}-{own}")  # noqa: S108  made 0700, and refused when not ours

    def device(self) -> Device | None:
        """The device, when it is up."""
        file = self._folder / "device.json"
        return from_json(Device, file.read_bytes(), str(file)) if file.is_file() else None

    def pid(self) -> int:
        """The private sshd's process, or 0."""
        file = self._folder / "sshd.pid"
        text = file.read_text().strip() if file.is_file() else ""
        return int(text) if text.isdigit() and self._is_ours(int(text)) else 0

    def up(self) -> Device:
        """Start the private sshd and write the device down; twice is once.

        Raises:
            InputError: the folder for it belongs to somebody else.
            EdgekitError: sshd does not start.
        """
        found = self.device()
        if found is not None and (found.address == "local" or self.pid()):
            return found
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.chmod(0o700)
        self.prefix.mkdir(exist_ok=True, mode=0o700)
        if self.prefix.stat().st_uid != os.getuid():
            raise InputError(f"{self.prefix} belongs to somebody else", hint="set EDGEKIT_HOME to a shorter folder")
        sshd = next((path for path in _SSHD if os.access(path, os.X_OK)), "")
        address = self._start_sshd(sshd) if sshd else "local"
        device = Device(
            name=HOST,
            address=address,
            target=HOST,
            prefix=str(self.prefix),
            service="process",
            identity=str(self._folder / "id_host") if sshd else "",
            known_hosts=str(self._folder / "known_hosts") if sshd else "",
            host_key_alias=KEY_ALIAS if sshd else "",
        )
        write_whole(self._folder / "device.json", to_json(device))
        return device

    def down(self) -> None:
        """End the keeper and sshd, and remove the folder."""
        if not self._folder.is_dir():
            raise NothingSelected(f"{HOST} is not up", hint="edgekit board up --like host")
        keeper = Path(BoardPaths(prefix=str(self.prefix)).program)
        if keeper.exists():
            argv = [sys.executable, "-I", str(keeper), "halt", "--prefix", str(self.prefix)]
            self._executor.run(argv, timeout_s=60)
        if pid := self.pid():
            stop(pid, grace_s=5)
        for folder in (self.prefix, self._folder):
            shutil.rmtree(folder, ignore_errors=True)

    def _start_sshd(self, sshd: str) -> str:
        for name in ("host_key", "id_host"):
            (self._folder / name).unlink(missing_ok=True)
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self._folder / name)]
            self._executor.run(argv, timeout_s=30)
        write_known_hosts(self._folder / "known_hosts", (self._folder / "host_key.pub").read_text())
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        port = free_port()
        config = self._folder / "sshd_config"
        config.write_text(self._config(port))
        log = self._folder / "sshd.log"
        pid = start_detached([sshd, "-D", "-e", "-f", str(config)], log=log)
        (self._folder / "sshd.pid").write_text(str(pid))
        deadline = time.monotonic() + 20
        while not answers(port):
            if not is_running(pid) or time.monotonic() > deadline:
                raise EdgekitError("sshd did not start", hint=f"see {log}", details=log.read_text(errors="replace"))
            time.sleep(0.05)
        return f"{getpass.getuser()}@127.0.0.1:{port}"

    def _config(self, port: int) -> str:
        """Keys only, this user only, loopback only."""
        lines = (
            f"Port {port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self._folder}/host_key",
            f"AuthorizedKeysFile {self._folder}/id_host.pub",
            f"AllowUsers {getpass.getuser()}",
            f"PidFile {self._folder}/sshd-own.pid",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "StrictModes no",
            "UsePAM no",
            "UseDNS no",
            "PrintMotd no",
            "AllowTcpForwarding no",
        )
        return "\n".join(lines) + "\n"

    def _is_ours(self, pid: int) -> bool:
        # sshd writes its own title: `sshd: /usr/sbin/sshd -f FILE [listener] ...`, blanks between words.
        return runs(pid, "sshd", b" -f " + os.fsencode(self._folder / "sshd_config") + b" ")
