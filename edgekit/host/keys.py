"""The user's signing key, in OpenSSH's format."""

from __future__ import annotations

from edgekit.errors import InputError
from edgekit.executor import Executor
from edgekit.host.settings import Settings
from edgekit.schema.manifest import SIGNATURE_NAMESPACE

_TIMEOUT_S = 30.0


def make_key(settings: Settings, executor: Executor, *, principal: str) -> bool:
    """Make the key and its allowed_signers file where they are not there yet. The key has no passphrase.

    A key with one, or on a token, is used with `edgekit build --key`, through the user's agent.

    Returns:
        Whether a key was made.

    Raises:
        InputError: the folder cannot be written.
    """
    key = settings.signing_key
    try:
        key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key.parent.chmod(0o700)
        made = not key.exists()
        if made:
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", principal, "-f", str(key)]
            executor.run(argv, timeout_s=_TIMEOUT_S)
        if made or not settings.allowed_signers.exists():
            kind, public = key.with_suffix(".pub").read_text().split()[:2]
            line = f'{principal} namespaces="{SIGNATURE_NAMESPACE}" {kind} {public}\n'
            settings.allowed_signers.write_text(line)
    except OSError as error:
        raise InputError(f"{key} cannot be made: {error.strerror}", hint=f"ls -ld {key.parent}") from None
    return made
