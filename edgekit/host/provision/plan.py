"""What to change on a device. Pure, so that `--plan` shows what apply would do."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from edgekit.host.provision.desired import KeeperInstall, files_of, folders_of
from edgekit.schema.board import CONTROL_GROUP, UNIT, WORKER_USER, BoardPaths


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChange:
    """One step of a plan."""

    what: str
    """For people: `install /etc/edgekit/allowed_signers`."""
    step: dict[str, Any]
    """For the device: see `sent.provisioning.change`."""


def plan_provision(desired: KeeperInstall, present: dict[str, Any]) -> tuple[DeviceChange, ...]:
    """What to change, in order. Pure; empty where nothing is to do."""
    changes = [*_accounts(desired, present), *_layout(desired, present)]
    changes += _keeper_copies(desired, present)
    return (*changes, *_service(desired, present, {change.what for change in changes}))


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


def _layout(desired: KeeperInstall, present: dict[str, Any]) -> list[DeviceChange]:
    changes = []
    uid = 0 if desired.systemd else present["uid"]
    for path, mode in folders_of(desired).items():
        found = present["paths"][path]
        if (found["kind"], found.get("mode"), found.get("uid")) != ("folder", mode, uid):
            changes.append(DeviceChange(what=f"make folder {path}", step={"do": "folder", "path": path, "mode": mode}))
    for path, content in files_of(desired):
        found = present["paths"][path]
        if content is desired.trust and found["kind"] != "none" and not desired.replace_trust:
            continue  # it follows by itself, and only to a later version
        right = (hashlib.sha256(content).hexdigest(), 0o644, uid)
        if (found.get("sha256"), found.get("mode"), found.get("uid")) != right:
            text = base64.b64encode(content).decode()
            step = {"do": "file", "path": path, "content": text, "mode": 0o644}
            what = f"{'replace' if found['kind'] != 'none' else 'install'} {path}"
            changes.append(
                DeviceChange(what=what + (_who_signs(content) if content is desired.allowed_signers else ""), step=step)
            )
    return changes


def _who_signs(allowed_signers: bytes) -> str:
    lines = [line.split() for line in allowed_signers.decode(errors="replace").splitlines()]
    return ": releases by " + (", ".join(words[0] for words in lines if words and words[0][0] != "#") or "nobody")


def _keeper_copies(desired: KeeperInstall, present: dict[str, Any]) -> list[DeviceChange]:
    """Switch the link to the new copy; the one before it stays, older ones go."""
    at = BoardPaths(prefix=desired.device.prefix)
    folder = at.program_dir
    link = present["paths"][at.program]
    before = link.get("to", "")
    changes = []
    if before != desired.copy:
        step = {"do": "link", "path": at.program, "to": desired.copy}
        changes.append(DeviceChange(what=f"switch {at.program} to {desired.copy}", step=step))
        old = [name for name in present["paths"][folder].get("names", []) if name.startswith("edgekitd-")]
        for name in sorted(set(old) - {before, desired.copy}):
            changes.append(
                DeviceChange(what=f"remove {folder}/{name}", step={"do": "remove", "path": f"{folder}/{name}"})
            )
    return changes


def _service(desired: KeeperInstall, present: dict[str, Any], changed: set[str]) -> list[DeviceChange]:
    """Start the keeper, or start it anew where its program changed."""
    program = any("edgekitd" in what for what in changed) or present["keeper"] not in ("", "unknown", desired.sha256)
    if desired.systemd:
        enabled, active = present["service"].split()[:2]
        changes = []
        if any(UNIT in what for what in changed):
            changes.append(_command("tell systemd of the service", "systemctl", "daemon-reload"))
        if enabled != "enabled":
            changes.append(_command(f"enable {UNIT}", "systemctl", "enable", UNIT))
        if program or active != "active":
            word = "restart (the application restarts with it)" if active == "active" else "start"
            changes.append(_command(f"{word} {UNIT}", "systemctl", "restart", UNIT))
        return changes
    at = BoardPaths(prefix=desired.device.prefix)
    halt = [_command("end the running keeper", *at.command("halt"))] if program and present["keeper"] else []
    start = [_command("start the keeper", *at.command("spawn"))] if program or not present["keeper"] else []
    return halt + start


def _command(what: str, *argv: str) -> DeviceChange:
    return DeviceChange(what=what, step={"do": "command", "argv": list(argv)})
