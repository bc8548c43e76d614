"""What a provisioned device has: the keeper, who may sign, folders, and the service."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.executor.sent_program import joined
from edgekit.host.provision.hardening import HARDENING
from edgekit.schema.board import TRIAL_UNIT, UNIT, BoardPaths
from edgekit.schema.fleet import Device

_UNIT_TEXT = f"""\
[Unit]
Description=edgekit's keeper: installs, starts and restores the application
After=local-fs.target
Wants=edgekitd-trial.service
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStartPre=-+/usr/bin/python3 -I /usr/lib/edgekit/keeper-guard.py start /
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
{HARDENING}
[Install]
WantedBy=multi-user.target
"""
_TRIAL_UNIT_TEXT = """\
[Unit]
Description=edgekit: sees that a new keeper answers, or puts the old one back
ConditionPathExists=/usr/lib/edgekit/trial.json
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/python3 -I /usr/lib/edgekit/keeper-guard.py watch /
Restart=on-failure
RestartSec=1

[Install]
WantedBy=multi-user.target
"""
_SENT = Path(__file__).parents[2] / "sent"
_GUARD_MODULES = ("board_disk", "keeper_socket", "keeper_trial", "keeper_guard")


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
    trial_limits: Mapping[str, float] = field(default_factory=dict)
    """Seconds of a new keeper's trial that differ from `sent.keeper_trial.KeeperTrial`'s."""

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
        (at.keeper_guard, guard_text()),
        (at.allowed_signers, desired.allowed_signers),
        (at.identity_file, desired.identity),
    ]
    files += [(at.trust_file, desired.trust)] if desired.trust else []
    if desired.systemd:
        files += [(unit_file(TRIAL_UNIT), _TRIAL_UNIT_TEXT.encode()), (unit_file(UNIT), _UNIT_TEXT.encode())]
    return files


def unit_file(unit: str) -> str:
    """Where systemd finds a unit of ours."""
    return f"/etc/systemd/system/{unit}"


@functools.cache
def guard_text() -> bytes:
    """The program that puts the old keeper back when a new one fails: see `sent.keeper_guard`."""
    return joined(_SENT / f"{name}.py" for name in _GUARD_MODULES) + b"\n\nsys.exit(guard(sys.argv[1:]))\n"
