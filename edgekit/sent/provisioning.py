"""Reads or changes what provisioning cares about on a device. Self-contained: its text is sent over SSH.

    python3 -I - < this file + call

`look` gives the present state of paths, accounts and the service as plain data; `apply` carries out changes in order,
each of them whole or not at all. Both print one JSON object. Python 3.10 and newer, standard library alone.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import grp
import hashlib
import json
import os
import pwd
import shutil
import stat
import subprocess
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from edgekit.sent.board_disk import BoardDisk
from edgekit.sent.keeper_socket import KeeperSocket, RefusedByKeeper, see_keeper
from edgekit.sent.keeper_trial import KeeperTrial, load_trial, to_text

LARGEST_SHOWN = 1 << 20


def account(name: str, *, group: bool) -> dict[str, Any]:
    """Whether an account is there, and which of its groups."""
    try:
        if group:
            grp.getgrnam(name)
        else:
            pwd.getpwnam(name)
    except KeyError:
        return {"there": False, "groups": []}
    return {"there": True, "groups": [entry.gr_name for entry in grp.getgrall() if name in entry.gr_mem]}


def path_state(path: str) -> dict[str, Any]:
    """Kind, mode, owner and content of a path."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"kind": "none"}
    state: dict[str, Any] = {"mode": stat.S_IMODE(found.st_mode), "uid": found.st_uid, "kind": "other"}
    if stat.S_ISLNK(found.st_mode):
        state |= {"kind": "link", "to": os.readlink(path)}
    elif stat.S_ISDIR(found.st_mode):
        state |= {"kind": "folder", "names": sorted(os.listdir(path))}
    elif stat.S_ISREG(found.st_mode):
        with open(path, "rb") as file:
            state |= {"kind": "file", "sha256": hashlib.sha256(file.read()).hexdigest()}
    return state


def running_keeper(path: str) -> str:
    """SHA-256 of the program that answers on the keeper's socket; `unknown` without the right to ask, "" if none."""
    try:
        keeper = KeeperSocket(path)
    except PermissionError:
        return "unknown"
    except OSError:
        return ""
    try:
        return str(keeper.ask("hello")["keeper_sha256"])
    except (OSError, ValueError, KeyError, TypeError, RefusedByKeeper):
        return ""
    finally:
        keeper.close()


def text_of(path: str) -> str:
    """A small file's text; empty where it is not there."""
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST_SHOWN).decode(errors="replace")
    except OSError:
        return ""


def trial_state(path: str, guard: str) -> dict[str, Any]:
    """Whether a new keeper is on trial, which copy is its way back, and whether somebody watches."""
    trial = load_trial(path)
    if trial is None or not trial.open:
        return {}
    return {"old": trial.old, "watched": is_watched(guard)}


def is_watched(guard: str) -> bool:
    """Whether the guard watches a trial now."""
    try:
        with open(guard, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def service_state(unit: str) -> str:
    """`enabled active`, or what systemd says instead."""
    if shutil.which("systemctl") is None:
        return "unknown unknown"
    words = [
        subprocess.run(["systemctl", verb, unit], capture_output=True, text=True, timeout=60, check=False)
        for verb in ("is-enabled", "is-active")
    ]
    return " ".join(done.stdout.strip() or "unknown" for done in words)


def sudo_state() -> str:
    """Whether this login may become root: `root`, `yes`, `password`, or `none` without sudo."""
    if os.geteuid() == 0:
        return "root"
    if shutil.which("sudo") is None:
        return "none"
    done = subprocess.run(["sudo", "-n", "true"], capture_output=True, timeout=30, check=False)
    return "password" if done.returncode else "yes"


def look(wanted: dict[str, Any]) -> dict[str, Any]:
    """The present state of everything that `wanted` names."""
    groups = [name for name in wanted["optional_groups"] if account(name, group=True)["there"]]
    login = pwd.getpwuid(os.geteuid()).pw_name
    return {
        "uid": os.geteuid(),
        "login": {"name": login, "groups": account(login, group=False)["groups"]},
        "systemd": os.path.isdir("/run/systemd/system") and shutil.which("systemctl") is not None,
        "sudo": sudo_state() if wanted["unit"] else "",
        "ssh_keygen": any(
            os.access(f"{folder}/ssh-keygen", os.X_OK) for folder in ("/usr/bin", "/bin", "/usr/local/bin")
        ),
        "paths": {path: path_state(path) for path in wanted["paths"]},
        "groups": {name: account(name, group=True)["there"] for name in wanted["groups"]},
        "users": {name: account(name, group=False) for name in wanted["users"]},
        "optional_groups": groups,
        "service": service_state(wanted["unit"]) if wanted["unit"] else "",
        "trial_service": service_state(wanted["trial_unit"]) if wanted["trial_unit"] else "",
        "keeper": running_keeper(wanted["socket"]),
        "texts": {path: text_of(path) for path in wanted["texts"]},
        "trial": trial_state(wanted["trial"], wanted["guard"]),
    }


def command(argv: list[str]) -> None:
    """Run a program of the system; its words become the error's."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip()}")


def check_program(path: str) -> None:
    """See that this Python can read every module of a keeper, before anything is switched to it."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            try:
                compile(archive.read(name), name, "exec")
            except (SyntaxError, ValueError) as error:
                raise OSError(f"this device's Python cannot read {name}: {error}") from error


def arm(step: dict[str, Any], disk: BoardDisk) -> None:
    """Save what the way back is, before anything is switched."""
    folder, unit = os.path.dirname(step["path"]), step["unit"]
    seen = see_keeper(step["socket"])
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    trial = KeeperTrial(
        phase="armed",
        new=step["new"],
        old=step["old"],
        new_sha256=path_state(f"{folder}/{step['new']}")["sha256"],
        old_sha256=path_state(f"{folder}/{step['old']}")["sha256"],
        boot=boot,
        applications=tuple(sorted(seen.healthy)) if seen else (),
        unit=unit,
        unit_before=unit_before(unit, step["path"]),
    )
    disk.put_file(step["path"], to_text(replace(trial, **step["limits"])), 0o644)


def unit_before(unit: str, file: str) -> str:
    """The service's file that the old keeper ran by: that of a trial which broke off, else the present one."""
    broken_off = load_trial(file)
    return broken_off.unit_before if broken_off and broken_off.open else text_of(unit) if unit else ""


def wait_for_verdict(path: str) -> None:
    """Return once the new keeper has passed its trial. Raises OSError where it did not, or nobody judges it."""
    began_s = time.monotonic()
    while (trial := load_trial(path)) is not None and trial.open:
        if time.monotonic() - began_s > 4 * trial.ready_s + trial.settle_s + trial.healthy_s:
            raise OSError(f"its trial does not come to an end: {path} is {trial.phase}")
        time.sleep(0.5)
    if trial is not None and trial.phase == "failed":
        raise OSError(trial.reason)


def detach(argv: list[str], log: str) -> None:
    """Start a program that goes on when this one and its connection are gone."""
    with open(log, "ab") as file:
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd="/", start_new_session=True)


def change(step: dict[str, Any], disk: BoardDisk) -> None:
    """Carry out one step."""
    match step["do"]:
        case "folder":
            os.makedirs(step["path"], exist_ok=True)
            os.chown(step["path"], os.geteuid(), os.getegid())
            os.chmod(step["path"], step["mode"])
        case "file":
            disk.put_file(step["path"], base64.b64decode(step["content"]), step["mode"])
        case "link":
            disk.put_link(step["path"], step["to"])
        case "remove":
            disk.remove(step["path"])
        case "command":
            command(step["argv"])
        case "check":
            check_program(step["path"])
        case "arm":
            arm(step, disk)
        case "detach":
            detach(step["argv"], step["log"])
        case "verdict":
            wait_for_verdict(step["path"])


def apply(steps: list[dict[str, Any]], socket_path: str, holder: str) -> dict[str, Any]:
    """Carry out steps in order; stop at the first that fails and say which and why."""
    disk = BoardDisk()
    try:
        with locked(socket_path, holder):
            for number, step in enumerate(steps):
                try:
                    change(step, disk)
                except (OSError, subprocess.SubprocessError) as error:
                    return {"done": number, "error": str(error), "held": ""}
    except RefusedByKeeper as error:
        return {"done": 0, "error": "", "held": str(error)}
    return {"done": len(steps), "error": "", "held": ""}


@contextlib.contextmanager
def locked(socket_path: str, holder: str) -> Iterator[None]:
    """Hold the deployment lock of every application, where a keeper answers. Raises RefusedByKeeper."""
    try:
        keeper = KeeperSocket(socket_path)
    except OSError:
        yield
        return
    try:
        for application in applications_of(keeper):
            with contextlib.suppress(OSError, ValueError):  # one that is out of order is not asked again
                keeper.ask("lock", application=application, holder=holder)
        yield
    finally:
        keeper.close()


def applications_of(keeper: KeeperSocket) -> list[str]:
    """Names of its applications, and of those that are just deployed for the first time.

    None where it cannot tell: it may be here to be replaced.
    """
    try:
        status = keeper.ask("status")
        names = {str(one["application"]) for one in status.get("applications", [])}
        return sorted(names.union(map(str, status.get("locks", {}))))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RefusedByKeeper):
        return []


def main() -> None:
    """Read one JSON object from the script's own last line (see `host.provision.device`) and answer with one."""
    asked = json.loads(base64.b64decode(REQUEST))  # type: ignore[name-defined]  # noqa: F821  the sender sets it
    if asked["verb"] == "look":
        print(json.dumps(look(asked["wanted"])))
    else:
        print(json.dumps(apply(asked["steps"], asked["socket"], asked["holder"])))
