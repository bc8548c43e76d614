"""Provisioning: facts → plan → apply. The plan is pure, so that `--plan` shows what apply would do."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import InputError, RolloutError
from edgekit.executor import Completed, Executor
from edgekit.executor.sent_program import run_program
from edgekit.schema.board import CONTROL_GROUP, PYTHON, UNIT, WORKER_USER, BoardPaths
from edgekit.schema.fleet import Device

_OPTIONAL_GROUPS = ("video", "render")
"""Groups that own cameras and accelerators, where the system has them."""
_SCRIPT = Path(__file__).parents[2] / "sent" / "provisioning.py"
_TIMEOUT_S = 300.0
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChange:
    """One step of a plan."""

    what: str
    """For people: `install /etc/edgekit/allowed_signers`."""
    step: dict[str, Any]
    """For the device: see `present.change`."""


def look(desired: KeeperInstall, executor: Executor) -> dict[str, Any]:
    """The device's present state, in one round trip."""
    at = BoardPaths(prefix=desired.device.prefix)
    folders = _folders(desired)
    files = [path for path, _ in _files(desired)]
    wanted = {
        "paths": [*folders, *files, at.program],
        "groups": [CONTROL_GROUP] if desired.systemd else [],
        "users": [WORKER_USER] if desired.systemd else [],
        "optional_groups": _OPTIONAL_GROUPS,
        "unit": UNIT if desired.systemd else "",
        "socket": at.socket,
    }
    return _ask(executor, {"verb": "look", "wanted": wanted}, sudo=False)


def check_ready(desired: KeeperInstall, present: dict[str, Any], name: str) -> None:
    """Refuse a device that cannot take the keeper, with every reason.

    Raises:
        InputError: a prefix that the kind of service cannot have.
        RolloutError: Python too old, no ssh-keygen, no systemd, no right to become root.
    """
    if desired.systemd == (desired.device.prefix != "/"):
        raise InputError(
            f'{name} has prefix = "{desired.device.prefix}" and service = "{desired.device.service}"',
            hint='a systemd service has the prefix "/"; service = "process" has a folder of its own',
        )
    lacks = []
    if present["python"] < [3, 10]:
        lacks.append(f"Python {'.'.join(map(str, present['python']))}, needed is 3.10: install a newer python3")
    if not present["ssh_keygen"]:
        lacks.append("no ssh-keygen: install openssh-client")
    if desired.systemd and not present["systemd"]:
        lacks.append(
            'systemd does not run there: describe the device in fleet.toml with service = "process" and a prefix = '
            '"/FOLDER/OF/ITS/OWN"'
        )
    elif desired.systemd and present["sudo"] == "none":
        lacks.append("you are not root there, and it has no sudo: log in as root, or install sudo")
    elif desired.systemd and present["sudo"] == "password":
        lacks.append("sudo asks for a password there: log in as root, or allow it without (NOPASSWD in /etc/sudoers.d)")
    if lacks:
        raise RolloutError(f"{name} cannot take the keeper: {'; '.join(lacks)}", hint=f"then: edgekit provision {name}")


def plan_provision(desired: KeeperInstall, present: dict[str, Any]) -> tuple[DeviceChange, ...]:
    """What to change, in order. Pure; empty where nothing is to do."""
    changes = [*_accounts(desired, present), *_layout(desired, present)]
    changes += _keeper_copies(desired, present)
    return (*changes, *_service(desired, present, {change.what for change in changes}))


def apply_provision(
    desired: KeeperInstall, executor: Executor, changes: tuple[DeviceChange, ...], *, sudo: bool
) -> None:
    """Carry the plan out.

    Raises:
        RolloutError: a step failed; those before it are done, and the next run does the rest.
    """
    if not changes:
        return
    answer = _ask(executor, {"verb": "apply", "steps": [change.step for change in changes]}, sudo=sudo)
    if answer["error"]:
        failed = changes[answer["done"]]
        raise RolloutError(
            f"{desired.device.name}: could not {failed.what}: {answer['error']}",
            hint=f"mend that and run again: edgekit provision {desired.device.name}",
        )


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


def _folders(desired: KeeperInstall) -> dict[str, int]:
    at = BoardPaths(prefix=desired.device.prefix)
    mode = 0o755 if desired.systemd else 0o700
    names = [at.program_dir, at.settings_dir, at.state_dir] + ([] if desired.systemd else [at.run_dir])
    return dict.fromkeys(names, mode)


def _files(desired: KeeperInstall) -> list[tuple[str, bytes]]:
    at = BoardPaths(prefix=desired.device.prefix)
    files = [
        (f"{at.program_dir}/{desired.copy}", desired.keeper),
        (at.allowed_signers, desired.allowed_signers),
    ]
    return files + ([("/etc/systemd/system/" + UNIT, _UNIT_TEXT.encode())] if desired.systemd else [])


def _layout(desired: KeeperInstall, present: dict[str, Any]) -> list[DeviceChange]:
    changes = []
    uid = 0 if desired.systemd else present["uid"]
    for path, mode in _folders(desired).items():
        found = present["paths"][path]
        if (found["kind"], found.get("mode"), found.get("uid")) != ("folder", mode, uid):
            changes.append(DeviceChange(what=f"make folder {path}", step={"do": "folder", "path": path, "mode": mode}))
    for path, content in _files(desired):
        found = present["paths"][path]
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


def _ask(executor: Executor, request: dict[str, Any], *, sudo: bool) -> dict[str, Any]:
    """Run the script there with a request; both travel on standard input, so nothing shows in a process list."""
    encoded = base64.b64encode(json.dumps(request).encode())
    script = _SCRIPT.read_bytes() + b'\n\nREQUEST = "' + encoded + b'"\nmain()\n'
    python = [*(["sudo", "-n"] if sudo else []), PYTHON]
    answer = run_program(executor, python, script, timeout_s=_TIMEOUT_S)
    if answer.done.returncode:
        raise _failed(executor.name, answer.done)
    found = answer.json_object()
    if found is None:
        hint = "look at what its shell's start-up files print and run"
        raise RolloutError(f"{executor.name} answered something else than asked", hint=hint, details=answer.done.output)
    return found


def _failed(name: str, done: Completed) -> RolloutError:
    """Why the script could not be run to its end."""
    errors = done.errors
    message, hint = f"the provisioning script failed on {name}", "report this with the details"
    if "sudo: " in errors and done.returncode in (126, 127):
        message, hint = f"{name} has no sudo", "log in as root, or install sudo there"
    elif "sudo: " in errors:
        message, hint = f"you may not become root on {name}", "log in as root, or allow sudo without a password there"
    elif done.returncode in (126, 127):
        message, hint = f"{name} has no {PYTHON}", "install Python 3.10 or newer there: apt install python3"
    elif "SyntaxError" in errors or "ModuleNotFoundError" in errors:
        message, hint = f"the Python of {name} is too old or not whole", "install Python 3.10 or newer there"
    return RolloutError(message, hint=hint, details=done.output)
