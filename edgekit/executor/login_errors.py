"""Why a login failed, with the cure for that cause: nobody there, no key here, or a key that is not let in."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

from edgekit.errors import Unreachable
from edgekit.executor.ssh_config import SshLogin
from edgekit.executor.ssh_library import paramiko


def reason_of(error: BaseException) -> str:
    """What went wrong, without class names."""
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        return "; ".join(sorted({str(getattr(cause, "strerror", cause)) for cause in error.errors.values()}))
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def not_there(login: SshLogin, error: BaseException) -> Unreachable:
    """The error for a device that was not reached: no name, no machine, or no SSH server."""
    numbers = {getattr(cause, "errno", None) for cause in getattr(error, "errors", {"": error}).values()}
    hint = f"is it up? try: ssh -p {login.port} {login.user}@{login.host}"
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return Unreachable(
            f"{login.name} offers no algorithm that is still safe: {reason_of(error)}",
            hint="update its SSH server, or take what its sshd_config says of Ciphers, MACs and KexAlgorithms out",
        )
    if isinstance(error, socket.gaierror):
        hint = f"look for a typing error in the name, or give the address; getent hosts {login.host} looks it up too"
    elif numbers == {errno.ECONNREFUSED}:
        hint = (
            f"the machine is up, but no SSH server listens on port {login.port}: start it there (systemctl start ssh), "
            f"or name its port: {login.user}@{login.host}:PORT"
        )
    return Unreachable(f"{login.name} does not answer: {reason_of(error)}", hint=hint)


def not_let_in(login: SshLogin, error: BaseException) -> Unreachable:
    """The error for a device that answered, checked by its host key, and did not let the user in."""
    offered = [*login.identities, *(f"the agent's {key.get_name()}" for key in _agent_keys())]
    where = f"-p {login.port} {login.user}@{login.host}"
    put_there = f"ssh-copy-id {where}"
    unreadable = {file: reason for file in login.identities if (reason := _unreadable(file))}
    if login.absent and not login.identities:
        return Unreachable(
            f"no way to log in to {login.name}: its key {login.absent[0]} is not there",
            hint=f"name the key that you have, as identity in fleet.toml or IdentityFile in ssh_config, or make this "
            f"one: ssh-keygen -t ed25519 -f {login.absent[0]} && ssh-copy-id -i {login.absent[0]} {where}",
        )
    if not offered:
        return Unreachable(
            f"no way to log in to {login.name}: you have no SSH key, neither in ~/.ssh nor in an agent",
            hint=f"make one and put it there: ssh-keygen -t ed25519 && {put_there}",
        )
    if isinstance(error, paramiko.PasswordRequiredException) or "passphrase" in unreadable.values():
        file = next((file for file, reason in unreadable.items() if reason == "passphrase"), offered[0])
        return Unreachable(
            f"the key for {login.name} is locked with a passphrase",
            hint=f"give it to your agent: ssh-add {file} (where none runs, first: eval $(ssh-agent))",
        )
    if len(unreadable) == len(offered):
        file, reason = next(iter(unreadable.items()))
        return Unreachable(
            f"no way to log in to {login.name}: {file} {reason}",
            hint=f"name a private key that you may read as identity in fleet.toml, or make a new one: ssh-keygen -t "
            f"ed25519 && {put_there}",
        )
    return Unreachable(
        f"{login.name} does not let {login.user} in: {reason_of(error)}",
        hint=f"put your public key there: {put_there} (tried: {', '.join(offered)})",
    )


def _unreadable(file: str) -> str:
    """Why a private key cannot be used; empty where it can."""
    try:
        paramiko.PKey.from_path(file)
    except paramiko.PasswordRequiredException:
        return "passphrase"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except (paramiko.SSHException, ValueError, IndexError, TypeError):
        if b"ENCRYPTED" in Path(file).read_bytes()[:4096]:
            return "passphrase"
        return "is not a private key, or damaged"
    return ""


def _agent_keys() -> list[paramiko.AgentKey]:
    try:
        return list(paramiko.Agent().get_keys())
    except (paramiko.SSHException, OSError):
        return []
