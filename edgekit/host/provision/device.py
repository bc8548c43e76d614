"""Looks at a device and changes it, by a script that is sent as text."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from edgekit.errors import InputError, LockHeld, RolloutError
from edgekit.executor import Completed, Executor
from edgekit.executor.sent_program import joined, run_program
from edgekit.host.provision.desired import KeeperInstall, files_of, folders_of
from edgekit.host.provision.plan import DeviceChange
from edgekit.schema.board import CONTROL_GROUP, PYTHON, TRIAL_UNIT, UNIT, WORKER_USER, BoardPaths

_OPTIONAL_GROUPS = ("video", "render")
"""Groups that own cameras and accelerators, where the system has them."""
_SENT = Path(__file__).parents[2] / "sent"
_MODULES = ("board_disk", "keeper_socket", "keeper_trial", "provisioning")
_TIMEOUT_S = 1200.0


def look(desired: KeeperInstall, executor: Executor) -> dict[str, Any]:
    """The device's present state, in one round trip."""
    return _ask(executor, {"verb": "look", "wanted": wanted_facts(desired)}, sudo=False)


def wanted_facts(desired: KeeperInstall) -> dict[str, Any]:
    """What the device is asked for: see `sent.provisioning.look`."""
    at = BoardPaths(prefix=desired.device.prefix)
    folders = folders_of(desired)
    files = [path for path, _ in files_of(desired)]
    return {
        "paths": [*folders, *files, at.program],
        "texts": [at.allowed_signers, at.trust_file],
        "trial": at.keeper_trial,
        "guard": at.keeper_guard,
        "groups": [CONTROL_GROUP] if desired.systemd else [],
        "users": [WORKER_USER] if desired.systemd else [],
        "optional_groups": _OPTIONAL_GROUPS,
        "unit": UNIT if desired.systemd else "",
        "trial_unit": TRIAL_UNIT if desired.systemd else "",
        "socket": at.socket,
    }


def check_ready(desired: KeeperInstall, present: dict[str, Any], name: str) -> None:
    """Refuse a device that cannot take the keeper, with every reason.

    Raises:
        InputError: a prefix that the kind of service cannot have.
        LockHeld: somebody switches its keeper now.
        RolloutError: no ssh-keygen, no systemd, no right to become root.
    """
    if desired.systemd == (desired.device.prefix != "/"):
        raise InputError(
            f'{name} has prefix = "{desired.device.prefix}" and service = "{desired.device.service}"',
            hint='a systemd service has the prefix "/"; service = "process" has a folder of its own',
        )
    if present["trial"].get("watched"):
        raise LockHeld(
            f"a new keeper is on trial on {name}",
            hint=f"wait some minutes until it has passed or is taken back, then: edgekit provision {name}",
        )
    lacks = []
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


def apply_provision(
    desired: KeeperInstall, executor: Executor, changes: tuple[DeviceChange, ...], *, holder: str, sudo: bool
) -> None:
    """Carry the plan out, with the deployment lock of each of the device's applications.

    Raises:
        LockHeld: somebody deploys to it; nothing is done.
        RolloutError: a step failed; those before it are done, and the next run does the rest.
    """
    if not changes:
        return
    request = {
        "verb": "apply",
        "steps": [change.step for change in changes],
        "socket": BoardPaths(prefix=desired.device.prefix).socket,
        "holder": f"{holder} (provision)",
    }
    answer = _ask(executor, request, sudo=sudo)
    if answer["held"]:
        raise LockHeld(answer["held"], hint="wait for them, or ask them to stop")
    if answer["error"]:
        failed = changes[answer["done"]]
        raise _step_failed(desired.device.name, failed, answer["error"])


def _step_failed(name: str, failed: DeviceChange, error: str) -> RolloutError:
    if failed.step["do"] == "verdict":
        return RolloutError(
            f"{name}: the new keeper was taken back, and the one before it runs again: {error}",
            hint=f"edgekit logs {name} and the device's journal (journalctl -u {UNIT}) say more",
        )
    return RolloutError(
        f"{name}: could not {failed.what}: {error}", hint=f"mend that and run again: edgekit provision {name}"
    )


def _ask(executor: Executor, request: dict[str, Any], *, sudo: bool) -> dict[str, Any]:
    """Run the script there with a request; both travel on standard input, so nothing shows in a process list."""
    encoded = base64.b64encode(json.dumps(request).encode())
    script = joined(_SENT / f"{name}.py" for name in _MODULES) + b'\n\nREQUEST = "' + encoded + b'"\nmain()\n'
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
