"""The user's ssh_config applied to an address. Source: ssh_config(5)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.executor.address import SshAddress, parse_address
from edgekit.executor.ssh_library import paramiko

_IDENTITIES = ("id_ed25519", "id_ecdsa", "id_rsa")
_MAX_DEPTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SshLogin:
    """Where and how to log in, with nothing left open."""

    host: str
    user: str
    port: int
    identities: tuple[str, ...]
    """Private key files that exist."""
    absent: tuple[str, ...]
    """Private key files that were named for this host and do not exist."""
    known_hosts: tuple[str, ...]
    key_name: str
    """The name under which known_hosts has the host's key."""
    named: tuple[str, ...] = ()
    """Private key files that count for this host, there or not: those that were named, else the usual ones."""
    identities_only: bool = False
    """Whether keys of the agent count only where they are named."""
    proxy_command: str
    jumps: tuple[str, ...]
    """Addresses to go through, the first one first."""

    @property
    def name(self) -> str:
        """`root@10.0.0.7:22`."""
        return f"{self.user}@{self.host}:{self.port}"


def read_ssh_config(home: Path) -> paramiko.SSHConfig:
    """The user's file, then the system's: the first value of an option counts.

    Raises:
        InputError: one of them cannot be read.
    """
    lines: list[str] = []
    for file in (home / ".ssh/config", Path("/etc/ssh/ssh_config")):
        lines += ["Host *", *_lines(file, file.parent, home, 0)]
    try:
        return paramiko.SSHConfig.from_text("\n".join(lines) + "\n")
    except paramiko.ConfigParseError as error:
        raise InputError(f"ssh_config cannot be read: {error}", hint=f"edit {home}/.ssh/config") from None


def resolve_login(address: SshAddress, config: paramiko.SSHConfig, *, user: str, home: Path) -> SshLogin:
    """What OpenSSH would do with this address.

    Args:
        address: the device.
        config: from `read_ssh_config`.
        user: this user's name, for when neither address nor ssh_config names one.
        home: this user's home, for `.ssh`.

    Raises:
        InputError: a port or a jump host in ssh_config is not valid.
    """
    try:
        found = config.lookup(address.host)
    except ImportError:
        hint = "name the hosts that it is for: Match host, Host"
        raise InputError("ssh_config has a Match exec, which edgekit does not run", hint=hint) from None
    host = str(found.get("hostname", address.host))
    port = address.port or _port(str(found.get("port", "22")))
    alias = address.host_key_alias or str(found.get("hostkeyalias", ""))
    usual = [f"~/.ssh/{name}" for name in _IDENTITIES]
    named = [address.identity] if address.identity else list(found.get("identityfile") or [])
    identities = [_expanded(name, home) for name in named or usual]
    _check_certificate(found.get("certificatefile"), identities, home)
    files = shlex.split(str(found.get("userknownhostsfile", "~/.ssh/known_hosts")))
    known = [address.known_hosts] if address.known_hosts else [*files, "/etc/ssh/ssh_known_hosts"]
    command, jump = str(found.get("proxycommand", "")), str(found.get("proxyjump", ""))
    return SshLogin(
        host=host,
        user=address.user or str(found.get("user", user)),
        port=port,
        identities=tuple(file for file in identities if Path(file).is_file()),
        absent=tuple(file for file in identities if named and not Path(file).exists()),
        named=tuple(identities),
        identities_only=str(found.get("identitiesonly", "no")).lower() == "yes",
        known_hosts=tuple(_expanded(name, home) for name in known),
        key_name=alias or (host if port == 22 else f"[{host}]:{port}"),
        proxy_command="" if command.lower() == "none" else command,
        jumps=() if jump.lower() in ("", "none") else tuple(_jump(hop) for hop in jump.split(",")),
    )


def _lines(file: Path, folder: Path, home: Path, depth: int) -> Iterator[str]:
    """A file's lines with those of the files that it includes, which paramiko leaves out."""
    block = "Host *"
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        word, _, rest = line.strip().replace("=", " ", 1).partition(" ")
        if word.lower() != "include":
            block = line if word.lower() in ("host", "match") else block
            yield line
        elif depth < _MAX_DEPTH:
            for pattern in shlex.split(rest):
                for found in _matching(_expanded(pattern, home), folder):
                    yield from _lines(found, folder, home, depth + 1)
            yield block


def _matching(pattern: str, folder: Path) -> list[Path]:
    path = folder / pattern  # an absolute pattern stays as it is
    return sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))


def _expanded(name: str, home: Path) -> str:
    return str(home / name[2:]) if name.startswith("~/") else name


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 65536):
        raise InputError(f"Port {text!r} is not a port number", hint="edit your ssh_config")
    return int(text)


def _jump(text: str) -> str:
    address = text.strip().removeprefix("ssh://").rstrip("/")
    try:
        parse_address(address)
    except ValueError:
        raise InputError(f"ProxyJump {text!r} is not an address", hint="edit your ssh_config") from None
    return address


def _check_certificate(named: object, identities: Sequence[str], home: Path) -> None:
    """A certificate is taken where it lies beside its key, as ssh-keygen puts it; one elsewhere is refused by name."""
    for name in [named] if isinstance(named, str) else list(named or []):  # type: ignore[call-overload]
        file = _expanded(str(name), home)
        if file.lower() != "none" and file not in {f"{identity}-cert.pub" for identity in identities}:
            raise InputError(
                f"ssh_config names CertificateFile {name}, and edgekit takes one beside its key alone",
                hint=f"ln -s {file} {(identities or ('KEY',))[0]}-cert.pub",
            )
