"""Whom a device trusts before and after it is provisioned: nobody is shut out without being named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgekit.errors import EdgekitError
from edgekit.host.provision.desired import KeeperInstall
from edgekit.host.signers import Signer, parse_signers
from edgekit.judging.keys import by_fingerprint
from edgekit.schema.board import BoardPaths
from edgekit.schema.trust import TrustDocument, parse_signed, read_document


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedKey:
    """A key whose signatures count on a device."""

    name: str
    type: str
    fingerprint: str

    def __str__(self) -> str:
        """One line, to be compared with what its owner says."""
        return f"{self.name}  {self.type} {self.fingerprint}"


def dropped_keys(desired: KeeperInstall, present: dict[str, Any], now_s: float) -> tuple[CountedKey, ...]:
    """Keys that a device trusts and would not after provisioning, each once. Pure.

    Args:
        desired: what the device shall have.
        present: what `look` found.
        now_s: for keys whose time is over: those are no loss.
    """
    at = BoardPaths(prefix=desired.device.prefix)
    signers, trust = (present["texts"][path].encode() for path in (at.allowed_signers, at.trust_file))
    after = _in_force(desired.allowed_signers, _trust_after(desired, present), now_s)
    return tuple(key for fingerprint, key in _in_force(signers, trust, now_s).items() if fingerprint not in after)


def keys_by_trust_file(desired: KeeperInstall, present: dict[str, Any]) -> tuple[CountedKey, ...]:
    """Keys of the trust file that a device follows after provisioning: then these count alone. Pure.

    Args:
        desired: what the device shall have.
        present: what `look` found.

    Returns:
        Nothing where it follows none, so that its allowed_signers file counts.
    """
    return tuple(_of_trust(_trust_after(desired, present)))


def _trust_after(desired: KeeperInstall, present: dict[str, Any]) -> bytes:
    """The trust file that is there after provisioning: the device's own, unless it has none or it is replaced."""
    own: bytes = present["texts"][BoardPaths(prefix=desired.device.prefix).trust_file].encode()
    return desired.trust if not own or (desired.trust and desired.replace_trust) else own


def _in_force(signers: bytes, trust: bytes, now_s: float) -> dict[str, CountedKey]:
    """Whose signatures count by fingerprint: the trust file's, and without one those of allowed_signers."""
    found = _of_trust(trust) if trust else _of_signers(signers, now_s)
    return {key.fingerprint: key for key in found}


def _of_trust(trust: bytes) -> Iterator[CountedKey]:
    with contextlib.suppress(EdgekitError, ValueError):  # the device does not go by one that cannot be read
        document = read_document(TrustDocument, parse_signed(trust, "trust.json"), "trust.json")
        for fingerprint, key in by_fingerprint(document).items():
            if not key.until_s and fingerprint not in document.revoked_keys:
                yield CountedKey(name=key.name, type=key.key.split()[0], fingerprint=fingerprint)


def _of_signers(text: bytes, now_s: float) -> Iterator[CountedKey]:
    for line in text.splitlines():
        for signer in _signers_in(line):
            if signer.authority or not signer.why_not(now_s):
                yield CountedKey(name=signer.principals, type=signer.key_type, fingerprint=signer.fingerprint)


def _signers_in(line: bytes) -> tuple[Signer, ...]:
    try:
        return parse_signers(line, "allowed_signers")
    except EdgekitError:  # nobody can sign by such a line
        return ()
