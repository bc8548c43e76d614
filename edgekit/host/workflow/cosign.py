"""Adds one's own signature to a release that somebody else has built: whole, and only if one trusts them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError, TrustError
from edgekit.host.disk import write_whole
from edgekit.host.release.envelope import add_signature, unseal
from edgekit.host.release.folder import ReleaseFolder, open_release
from edgekit.host.release.names import PROVENANCE, SIGNATURE
from edgekit.host.workflow.trusted_release import check_whole
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.manifest import MAX_SIGNATURE_BYTES, SIGNATURE_NAMESPACE
from edgekit.schema.provenance import read_statement
from edgekit.trust import fingerprint, fits, sign, split_signatures


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
        InputError: there is no release, or no such key.
        TrustError: the key does not sign, or the release is not what others have signed, or not whole.
        OSError: the folder cannot be written.
    """
    folder = open_release(path)
    if key is not None and not key.is_file():
        raise InputError(f"--key: {key} is not there", hint="name a key's file; without --key your own signs")
    _check_as_signed(folder, station)
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


def _check_as_signed(folder: ReleaseFolder, station: Workstation) -> None:
    """Before one's own signature joins others: all of them are over these bytes, and the files are those listed."""
    again = "take the release again from where it was built"
    for one in split_signatures(folder.signature) if folder.signature else ():
        if not fits(station.executor, folder.manifest_bytes, one, namespace=SIGNATURE_NAMESPACE):
            who = fingerprint(one) or "somebody"
            raise TrustError(f"{folder.path}: its manifest is not what {who} has signed", hint=again)
    if folder.provenance:
        read_statement(unseal(folder.provenance)[0], folder.digest)
    check_whole(folder, station)
