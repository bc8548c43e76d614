"""Adds one's own signature to a release that somebody else has built: whole, and only if one trusts them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import TrustError
from edgekit.host.disk import write_whole
from edgekit.host.release.envelope import add_signature
from edgekit.host.release.folder import open_release
from edgekit.host.release.names import PROVENANCE, SIGNATURE
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.manifest import MAX_SIGNATURE_BYTES, SIGNATURE_NAMESPACE
from edgekit.trust import fingerprint, sign, split_signatures


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """What a release's signatures are now."""

    digest: str
    signatures: int
    """Of different keys."""


def cosign_release(path: Path, key: Path | None, station: Workstation) -> Cosigned:
    """Sign a release's manifest and provenance too. Twice is once.

    Args:
        path: the release's folder.
        key: signs; None: the user's own.
        station: this machine.

    Raises:
        InputError: there is no release.
        TrustError: the key does not sign, or the provenance is damaged.
        OSError: the folder cannot be written.
    """
    folder = open_release(path)
    chosen = key or station.settings.signing_key

    def signed_by_key(message: bytes) -> bytes:
        return sign(station.executor, message, key=chosen, namespace=SIGNATURE_NAMESPACE)

    own = signed_by_key(folder.manifest_bytes)
    before = {fingerprint(one): one for one in split_signatures(folder.signature)} if folder.signature else {}
    after = {**before, fingerprint(own): own}
    signature = b"".join(after.values())
    if len(signature) > MAX_SIGNATURE_BYTES:
        raise TrustError(f"{path} has too many signatures", hint="build it again, and have fewer people sign")
    if folder.provenance:
        write_whole(path / PROVENANCE, add_signature(folder.provenance, signed_by_key))
    write_whole(path / SIGNATURE, signature)
    return Cosigned(digest=folder.digest, signatures=len(after))
