"""Reads or changes what provisioning cares about on a device. Self-contained: its text is sent over SSH.

    python3 -I - < this file + call

`look` gives the present state of paths, accounts and the service as plain data; `apply` carries out changes in order,
each of them whole or not at all. Both print one JSON object. Python 3.10 and newer, standard library alone.
"""

from __future__ import annotations

import base64
import grp
import hashlib
import json
import os
import pwd
import shutil
import socket
import stat
import subprocess
from typing import Any


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
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        try:
            client.connect(path)
            client.sendall(b'{"verb": "hello"}\n')
            with client.makefile("rb") as answer:
                return str(json.loads(answer.readline(1 << 16))["data"]["keeper_sha256"])
        except PermissionError:
            return "unknown"
        except (OSError, ValueError, KeyError, TypeError):
            return ""


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
        "keeper": running_keeper(wanted["socket"]),
    }


def put_file(path: str, content: bytes, mode: int) -> None:
    """Write aside, sync, rename, sync the folder: a power cut leaves the old file or the new one."""
    aside = f"{path}.new"
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.rename(aside, path)
    except OSError:
        os.unlink(aside)
        raise
    sync_folder(os.path.dirname(path))


def put_link(path: str, to: str) -> None:
    """Switch a symbolic link at once."""
    aside = f"{path}.new"
    if os.path.lexists(aside):
        os.unlink(aside)
    os.symlink(to, aside)
    os.rename(aside, path)
    sync_folder(os.path.dirname(path))


def sync_folder(path: str) -> None:
    """Make renames in a folder last."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def command(argv: list[str]) -> None:
    """Run a program of the system; its words become the error's."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip()}")


def change(step: dict[str, Any]) -> None:
    """Carry out one step."""
    match step["do"]:
        case "folder":
            os.makedirs(step["path"], exist_ok=True)
            os.chown(step["path"], os.geteuid(), os.getegid())
            os.chmod(step["path"], step["mode"])
        case "file":
            put_file(step["path"], base64.b64decode(step["content"]), step["mode"])
        case "link":
            put_link(step["path"], step["to"])
        case "remove":
            os.unlink(step["path"])
        case "command":
            command(step["argv"])


def apply(steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Carry out steps in order; stop at the first that fails and say which and why."""
    for number, step in enumerate(steps):
        try:
            change(step)
        except (OSError, subprocess.SubprocessError) as error:
            return {"done": number, "error": str(error)}
    return {"done": len(steps), "error": ""}


def main() -> None:
    """Read one JSON object from the script's own last line (see `host.provision.device`) and answer with one."""
    asked = json.loads(base64.b64decode(REQUEST))  # type: ignore[name-defined]  # noqa: F821  the sender sets it
    print(json.dumps(look(asked["wanted"]) if asked["verb"] == "look" else apply(asked["steps"])))
