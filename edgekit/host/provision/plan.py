"""What to change on a device. Pure, so that `--plan` shows what apply would do."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from edgekit.host.provision.desired import KeeperInstall, files_of, folders_of, unit_file
from edgekit.schema.board import CONTROL_GROUP, PYTHON, TRIAL_UNIT, UNIT, WORKER_USER, BoardPaths


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChange:
    """One step of a plan."""

    what: str
    """For people: `install /etc/edgekit/allowed_signers`."""
    step: dict[str, Any]
    """For the device: see `sent.provisioning.change`."""


def plan_provision(desired: KeeperInstall, present: dict[str, Any]) -> tuple[DeviceChange, ...]:
    """What to change, in order. Pure; empty where nothing is to do.

    Where a keeper is there already, a new one, or a new file of its service, is switched to as a trial: first the way
    back is saved, and at the end stands the verdict of the guard on the device.
    """
    switch = _Switch(desired, present)
    changes = [*_accounts(desired, present), *_layout(desired, present, switch)]
    changes += switch.changes()
    return (*changes, *_service(desired, present, {change.what for change in changes}, switch))


class _Switch:
    """From the keeper that is there to the desired one."""

    def __init__(self, desired: KeeperInstall, present: dict[str, Any]) -> None:
        self._desired, self._present = desired, present
        self._at = BoardPaths(prefix=desired.device.prefix)
        self._link = present["paths"][self._at.program].get("to", "")
        names = present["paths"][self._at.program_dir].get("names", [])
        broken_off = present["trial"].get("old", "")
        self.old: str = broken_off or self._link
        """The copy that runs again when the new keeper fails."""
        unit_changes = desired.systemd and _differs(present, unit_file(UNIT), _content(desired, unit_file(UNIT)), 0)
        other = present["keeper"] not in ("", "unknown", desired.sha256)
        self.new = self._link != desired.copy or other or bool(broken_off)
        there = self.old in names and (desired.systemd or bool(present["keeper"]))
        self.trial = there and (self.new or unit_changes)
        """Whether there is something to go back to, and a reason to."""

    @property
    def deferred(self) -> str:
        """The file that is not put in its place before the way back is saved; empty where there is no trial."""
        return unit_file(UNIT) if self.trial and self._desired.systemd else ""

    def changes(self) -> list[DeviceChange]:
        """Check the new copy, save the way back, let the link lead to the new one; copies before the old one go."""
        at, desired = self._at, self._desired
        changes = []
        copy = f"{at.program_dir}/{desired.copy}"
        if self.trial:
            check = {"do": "check", "path": copy}
            changes.append(DeviceChange(what="see that the device's Python can read the new keeper", step=check))
            arm = {
                "do": "arm",
                "path": at.keeper_trial,
                "socket": at.socket,
                "old": self.old,
                "new": desired.copy,
                "unit": self.deferred,
                "limits": dict(desired.trial_limits),
            }
            changes.append(DeviceChange(what=f"save the way back to {self.old}", step=arm))
            changes += _file(desired, self._present, self.deferred) if self.deferred else []
        if self._link != desired.copy:
            step = {"do": "link", "path": at.program, "to": desired.copy}
            changes.append(DeviceChange(what=f"switch {at.program} to {desired.copy}", step=step))
            names = self._present["paths"][at.program_dir].get("names", [])
            for name in sorted(set(names) - {self.old, self._link, desired.copy}):
                if name.startswith("edgekitd-"):
                    path = f"{at.program_dir}/{name}"
                    changes.append(DeviceChange(what=f"remove {path}", step={"do": "remove", "path": path}))
        return changes

    def verdict(self) -> DeviceChange:
        """Wait until it is known whether the new keeper stays."""
        what = "try the new keeper (the applications restart with it)"
        return DeviceChange(what=what, step={"do": "verdict", "path": self._at.keeper_trial})


def _accounts(desired: KeeperInstall, present: dict[str, Any]) -> list[DeviceChange]:
    if not desired.systemd:
        return []
    changes = []
    if not present["groups"][CONTROL_GROUP]:
        changes.append(_command(f"make group {CONTROL_GROUP}", "groupadd", "--system", CONTROL_GROUP))
    user, groups = present["users"][WORKER_USER], present["optional_groups"]
    if not user["there"]:
        argv = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "--home-dir", "/nonexistent"]
        changes.append(_command(f"make user {WORKER_USER}", *argv, WORKER_USER))
    for group in sorted(set(groups) - set(user["groups"])):
        changes.append(_command(f"let {WORKER_USER} into group {group}", "usermod", "-aG", group, WORKER_USER))
    login = present["login"]
    if present["uid"] and CONTROL_GROUP not in login["groups"]:
        who = f"let {login['name']} into group {CONTROL_GROUP}: it may speak with the keeper from its next login on"
        changes.append(_command(who, "usermod", "-aG", CONTROL_GROUP, login["name"]))
    return changes


def _layout(desired: KeeperInstall, present: dict[str, Any], switch: _Switch) -> list[DeviceChange]:
    changes = []
    uid = 0 if desired.systemd else present["uid"]
    for path, mode in folders_of(desired).items():
        found = present["paths"][path]
        if (found["kind"], found.get("mode"), found.get("uid")) != ("folder", mode, uid):
            changes.append(DeviceChange(what=f"make folder {path}", step={"do": "folder", "path": path, "mode": mode}))
    for path, content in files_of(desired):
        if content is desired.trust and present["paths"][path]["kind"] != "none" and not desired.replace_trust:
            continue  # it follows by itself, and only to a later version
        if path != switch.deferred:
            changes += _file(desired, present, path)
    return changes


def _file(desired: KeeperInstall, present: dict[str, Any], path: str) -> list[DeviceChange]:
    """Put a file in place where it differs."""
    content = _content(desired, path)
    if not _differs(present, path, content, 0 if desired.systemd else present["uid"]):
        return []
    step = {"do": "file", "path": path, "content": base64.b64encode(content).decode(), "mode": 0o644}
    what = f"{'replace' if present['paths'][path]['kind'] != 'none' else 'install'} {path}"
    who = _who_signs(content) if content is desired.allowed_signers else ""
    return [DeviceChange(what=what + who, step=step)]


def _content(desired: KeeperInstall, path: str) -> bytes:
    return next(content for wanted, content in files_of(desired) if wanted == path)


def _differs(present: dict[str, Any], path: str, content: bytes, uid: int) -> bool:
    found = present["paths"][path]
    right = (hashlib.sha256(content).hexdigest(), 0o644, uid)
    return (found.get("sha256"), found.get("mode"), found.get("uid")) != right


def _who_signs(allowed_signers: bytes) -> str:
    lines = [line.split() for line in allowed_signers.decode(errors="replace").splitlines()]
    return ": releases by " + (", ".join(words[0] for words in lines if words and words[0][0] != "#") or "nobody")


def _service(desired: KeeperInstall, present: dict[str, Any], changed: set[str], switch: _Switch) -> list[DeviceChange]:
    """Start the keeper, or start it anew where it changed."""
    if not desired.systemd:
        return _process(desired, present, switch)
    enabled, active = present["service"].split()[:2]
    watching = present["trial_service"].split()[0]
    changes = []
    if any(unit in what for what in changed for unit in (UNIT, TRIAL_UNIT)):
        changes.append(_command("tell systemd of the service", "systemctl", "daemon-reload"))
    for unit, state in ((UNIT, enabled), (TRIAL_UNIT, watching)):
        if state != "enabled":
            changes.append(_command(f"enable {unit}", "systemctl", "enable", unit))
    if switch.trial:
        changes.append(_command(f"restart {UNIT}", "systemctl", "restart", "--no-block", UNIT))
        changes.append(_command(f"start {TRIAL_UNIT}", "systemctl", "restart", "--no-block", TRIAL_UNIT))
        changes.append(switch.verdict())
    elif switch.new or active != "active":
        word = "restart (the application restarts with it)" if active == "active" else "start"
        changes.append(_command(f"{word} {UNIT}", "systemctl", "restart", UNIT))
    return changes


def _process(desired: KeeperInstall, present: dict[str, Any], switch: _Switch) -> list[DeviceChange]:
    """The same without systemd: there the guard starts what is on trial."""
    at = BoardPaths(prefix=desired.device.prefix)
    if switch.trial:
        argv = [PYTHON, "-I", at.keeper_guard, "watch", desired.device.prefix, "--process"]
        step = {"do": "detach", "argv": argv, "log": f"{at.state_dir}/keeper.log"}
        return [DeviceChange(what="start the new keeper", step=step), switch.verdict()]
    halt = [_command("end the running keeper", *at.command("halt"))] if switch.new and present["keeper"] else []
    start = [_command("start the keeper", *at.command("spawn"))] if switch.new or not present["keeper"] else []
    return halt + start


def _command(what: str, *argv: str) -> DeviceChange:
    return DeviceChange(what=what, step={"do": "command", "argv": list(argv)})
