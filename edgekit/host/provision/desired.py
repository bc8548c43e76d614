"""What a provisioned device has: the keeper, who may sign, folders, and the service."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from edgekit.schema.board import UNIT, BoardPaths
from edgekit.schema.fleet import Device

_UNIT_TEXT = """\
[Unit]
Description=edgekit's keeper: installs, starts and restores the application
After=local-fs.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=/usr/bin/python3 -I /usr/lib/edgekit/edgekitd.pyz run
WatchdogSec=30
Restart=always
RestartSec=1
KillMode=mixed
TimeoutStopSec=20
Delegate=yes
Slice=edgekit.slice
RuntimeDirectory=edgekit
RuntimeDirectoryMode=0755
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperInstall:
    """What a provisioned device has."""

    device: Device
    keeper: bytes
    """The zip application."""
    allowed_signers: bytes
    identity: bytes
    """`device.json`."""
    trust: bytes = b""
    """The trust file that it begins with; empty: its allowed_signers file counts."""
    replace_trust: bool = False
    """Whether that is put in place of one that is there, which else follows by itself with the next deployment."""

    @property
    def sha256(self) -> str:
        """The keeper's digest, as a running one reports it."""
        return hashlib.sha256(self.keeper).hexdigest()

    @property
    def copy(self) -> str:
        """File name of this keeper's copy; the link beside it is switched to it."""
        return f"edgekitd-{self.sha256[:12]}.pyz"

    @property
    def systemd(self) -> bool:
        """Whether the keeper is a systemd service."""
        return self.device.service == "systemd"


def folders_of(desired: KeeperInstall) -> dict[str, int]:
    """Its folders, each with its mode."""
    at = BoardPaths(prefix=desired.device.prefix)
    mode = 0o755 if desired.systemd else 0o700
    names = [at.program_dir, at.settings_dir, at.state_dir] + ([] if desired.systemd else [at.run_dir])
    return dict.fromkeys(names, mode)


def files_of(desired: KeeperInstall) -> list[tuple[str, bytes]]:
    """Its files, each with its content."""
    at = BoardPaths(prefix=desired.device.prefix)
    files = [
        (f"{at.program_dir}/{desired.copy}", desired.keeper),
        (at.allowed_signers, desired.allowed_signers),
        (at.identity_file, desired.identity),
    ]
    files += [(at.trust_file, desired.trust)] if desired.trust else []
    return files + ([("/etc/systemd/system/" + UNIT, _UNIT_TEXT.encode())] if desired.systemd else [])
