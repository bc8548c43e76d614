"""One keeper after another on a folder, by the programs that do it on a board; and a look at it after a cut."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.host.provision.desired import KeeperInstall
from edgekit.host.provision.device import wanted_facts
from edgekit.host.provision.plan import plan_provision
from edgekit.schema.board import BoardPaths
from edgekit.schema.fleet import Device
from edgekit.sent.board_disk import BoardDisk
from edgekit.sent.keeper_guard import Switch, Systemd, TrialWatch
from edgekit.sent.keeper_socket import SeenKeeper
from edgekit.sent.keeper_trial import KeeperTrial, to_text
from edgekit.sent.provisioning import change, look
from edgekit.trust import sha256_bytes
from tests.fakes.recording import QuickBoardDisk

OLDER, NEWER, BROKEN = b"# the keeper\n", b"# the next keeper\n", b"raise SystemExit\n"
"""Programs, as far as a disk knows."""
_LATER = "the boot after the one in which the power went"


class KeeperFolder:
    """The keeper's copies below a prefix, with the file of its service, which says by whose text it is."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.at = BoardPaths(prefix=str(root))
        self._unit = root / "etc/edgekit/edgekitd.service"

    def begin(self) -> None:
        """The first keeper, as something that was always there."""
        program = Path(self.at.program)
        program.parent.mkdir(parents=True)
        desired = self._desired(OLDER)
        program.with_name(desired.copy).write_bytes(OLDER)
        program.symlink_to(desired.copy)
        self._unit.write_bytes(_unit(OLDER))

    def switch(self, keeper: bytes, disk: BoardDisk, *, passes: bool) -> None:
        """Provision with another keeper, up to the end of its trial."""
        for step in self._steps(keeper):
            change(step, disk)
        switch = Switch(str(self._root), disk, _boot())
        switch.start()
        if not passes:
            switch.start()
        _Service(switch, keeper).watch()

    def come_up(self) -> None:
        """What a boot does, and the guard beside it."""
        switch = Switch(str(self._root), QuickBoardDisk(), _LATER)
        trial = switch.load()
        if trial:  # recorded below another folder
            Path(self.at.keeper_trial).write_bytes(to_text(replace(trial, unit=str(self._unit))))
        switch.start()
        _Service(switch, self.program).watch()

    @property
    def program(self) -> bytes:
        """What the link leads to. Raises OSError where that is nothing."""
        return Path(self.at.program).read_bytes()

    @property
    def whole(self) -> bool:
        """Whether the keeper is one of the three, its service's file its own, and nothing is left open."""
        trial = Switch(str(self._root), QuickBoardDisk(), _LATER).load()
        known = self.program in (OLDER, NEWER, BROKEN)
        return known and self._unit.read_bytes() == _unit(self.program) and not (trial and trial.open)

    def _steps(self, keeper: bytes) -> list[dict[str, Any]]:
        """What provisioning carries out, with the file of a service as under systemd."""
        desired = self._desired(keeper)
        found = look(wanted_facts(desired))
        steps = [one.step for one in plan_provision(desired, {**found, "keeper": sha256_bytes(self.program)})]
        kept = [step for step in steps if step["do"] in ("file", "link", "remove", "arm")]
        (number,) = [number for number, step in enumerate(kept) if step["do"] == "arm"]
        kept[number] = {**kept[number], "unit": str(self._unit)}
        unit = {"do": "file", "path": str(self._unit), "content": _base64(_unit(keeper)), "mode": 0o644}
        return [*kept[: number + 1], unit, *kept[number + 1 :]]

    def _desired(self, keeper: bytes) -> KeeperInstall:
        device = Device(name="board", address="local", prefix=str(self._root), service="process")
        signers = Path(self.at.allowed_signers).read_bytes()
        return KeeperInstall(device=device, keeper=keeper, allowed_signers=signers, identity=b"{}\n")


class _Service(Systemd):
    """Keepers that answer by the program that the link leads to."""

    def __init__(self, switch: Switch, keeper: bytes) -> None:
        self._switch, self._new, self._now_s = switch, sha256_bytes(keeper), 0.0

    def restart(self, _switch: Switch, _trial: KeeperTrial) -> None:
        self._switch.start()

    def watch(self) -> None:
        TrialWatch(self._switch, self, see=self._see, clock=lambda: self._now_s, sleep=self._sleep).run()

    def _see(self, _path: str) -> SeenKeeper:
        sha256 = sha256_bytes(Path(self._switch.program).read_bytes())
        return SeenKeeper(sha256=sha256, pid=1, applications=frozenset(), healthy=frozenset())

    def _sleep(self, seconds: float) -> None:
        self._now_s += seconds


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _unit(keeper: bytes) -> bytes:
    return b"[Service]\n# " + sha256_bytes(keeper).encode() + b"\n"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
