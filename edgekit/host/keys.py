"""The user's signing key, in OpenSSH's format."""

from __future__ import annotations

import stat
from pathlib import Path

from edgekit.errors import TrustError
from edgekit.executor import Executor
from edgekit.host.settings import Settings
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.trust import check_key

_TIMEOUT_S = 30.0


def make_key(settings: Settings, executor: Executor, *, principal: str) -> bool:
    """Make the key and its line in the allowed_signers file where they are not there yet. The key has no passphrase.

    A key with one, or on a token, is used with `edgekit build --key`, through the user's agent. A key that others may
    read is made private again: ssh-keygen would not use it.

    Returns:
        Whether a key was made.

    Raises:
        TrustError: what is there is no key.
        OSError: the folder cannot be written.
    """
    key = settings.signing_key
    key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key.parent.chmod(0o700)
    made = make_key_file(key, executor, principal=principal)
    kind, public = public_half(key, executor).split()[:2]
    _allow(settings.allowed_signers, f'{principal} namespaces="{SIGNATURE_NAMESPACE}" {kind} {public}', public)
    return made


def make_key_file(key: Path, executor: Executor, *, principal: str) -> bool:
    """Make a private key where there is none, without a passphrase, that nobody else may read.

    Returns:
        Whether it was made.

    Raises:
        TrustError: what is there is no key.
    """
    made = not key.exists()
    if made:
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", principal, "-f", str(key)]
        done = executor.run(argv, timeout_s=_TIMEOUT_S)
        if done.returncode:
            raise TrustError(f"{key} was not made", hint=f"ls -ld {key.parent}; df {key.parent}", details=done.output)
    check_key(key)
    if stat.S_IMODE(key.stat().st_mode) & 0o077:
        key.chmod(0o600)
    return made


def public_half(key: Path, executor: Executor) -> str:
    """A key's public half as OpenSSH writes it: the file beside it, or what ssh-keygen makes of the private one.

    Raises:
        TrustError: there is neither.
    """
    beside = key if key.suffix == ".pub" else key.with_name(f"{key.name}.pub")
    if beside.is_file() and len(beside.read_text(errors="replace").split()) >= 2:
        return beside.read_text(errors="replace").strip()
    done = executor.run(["ssh-keygen", "-y", "-P", "", "-f", str(key)], timeout_s=_TIMEOUT_S)
    if done.returncode:
        hint = f"make it from the private one: ssh-keygen -y -f {key} > {beside}"
        raise TrustError(f"{beside} is not there", hint=hint, details=done.output)
    return done.text


def _allow(file: Path, line: str, public: str) -> None:
    """Add a signer. Others stay, also those of a key that this one replaces: their releases still run somewhere."""
    before = file.read_text() if file.exists() else ""
    if public not in before.split():
        lines = [*before.splitlines(), line]
        file.write_text("".join(f"{one}\n" for one in lines))
