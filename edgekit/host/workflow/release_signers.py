"""Who has signed a release, and whether that is enough for the fleet's devices: what they will say, said here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import TrustError
from edgekit.host.release.folder import ReleaseFolder
from edgekit.host.workflow.trust_change import chain_of
from edgekit.host.workflow.workstation import Workstation
from edgekit.judging.keys import by_fingerprint, why_refused
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.schema.trust import MAX_SIGNATURES, TrustDocument
from edgekit.schema.units import counted
from edgekit.trust import fingerprint, fits, split_signatures, verify


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSigner:
    """One key that has signed."""

    name: str
    """As the fleet's trust file names its owner, else the allowed_signers file; empty: neither does."""
    fingerprint: str
    refused: str = ""
    """Why it does not count; empty where it does."""

    def __str__(self) -> str:
        return f"{self.name or 'somebody unknown'}, {self.fingerprint or 'a damaged signature'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSigners:
    """All that have signed."""

    signers: tuple[ReleaseSigner, ...]
    needed: int
    """How many different keys the fleet's devices ask for; 0 where the fleet has no trust file."""

    @property
    def counting(self) -> int:
        """How many of them count."""
        return sum(not one.refused for one in self.signers)

    def lines(self) -> list[str]:
        """For people: each with whether it counts, and whether they are enough."""
        found = [
            f"signed by {one}" + (f": does not count: {one.refused}" if one.refused else "") for one in self.signers
        ]
        if self.needed:
            enough = "enough" if self.counting >= self.needed else "not enough: edgekit release sign RELEASE adds one"
            found.append(f"{self.counting} of {counted(self.needed, 'key')} that the fleet's devices ask for: {enough}")
        return found


def signers_of(folder: ReleaseFolder, allowed_signers: Path, station: Workstation) -> ReleaseSigners:
    """Look at each signature of a release's manifest; a key that has signed twice is one.

    Args:
        folder: the release.
        allowed_signers: who is trusted on this machine.
        station: this machine, with the fleet's trust file.

    Raises:
        InputError, TrustError: the fleet's trust file is none.
    """
    link = chain_of(station).in_force()
    document = link.document if link else None
    found: dict[str, ReleaseSigner] = {}
    for one in _each(folder, allowed_signers, station, document):
        if one.fingerprint not in found or not one.refused:
            found[one.fingerprint] = one
    return ReleaseSigners(signers=tuple(found.values()), needed=document.threshold if document else 0)


def _each(
    folder: ReleaseFolder, allowed_signers: Path, station: Workstation, document: TrustDocument | None
) -> Iterator[ReleaseSigner]:
    keys = by_fingerprint(document) if document else {}
    for signature in split_signatures(folder.signature)[:MAX_SIGNATURES]:
        key = fingerprint(signature)
        name, refused = _named_here(folder, signature, allowed_signers, station)
        if document:
            known = keys.get(key)
            name = known.name if known else name
            refused = why_refused(document, key, time.time())
        if not fits(station.executor, folder.manifest_bytes, signature, namespace=SIGNATURE_NAMESPACE):
            refused = "it is not over this manifest"
        yield ReleaseSigner(name=name, fingerprint=key, refused=refused)


def _named_here(folder: ReleaseFolder, signature: bytes, allowed: Path, station: Workstation) -> tuple[str, str]:
    """Who that is by the allowed_signers file, or why it does not count by that."""
    try:
        signed = verify(
            station.executor,
            folder.manifest_bytes,
            signature,
            allowed_signers=allowed,
            namespace=SIGNATURE_NAMESPACE,
        )
    except TrustError as error:
        return "", error.message
    return signed, ""
