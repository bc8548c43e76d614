"""Opens a release on this machine and checks all that can be checked of it: signatures, subject, every file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import TrustError
from edgekit.host.content import Memo, read_content
from edgekit.host.release.compare import describe_commit
from edgekit.host.release.envelope import TrustedStatement, open_sealed
from edgekit.host.release.folder import ReleaseFolder, open_release
from edgekit.host.release.names import FILES
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.schema.provenance import EDGEKIT_SOURCE, SOURCE, BuildDefinition
from edgekit.trust import verify

_HINT = "take the release again from where it was built, or build it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedRelease:
    """A release that is whole, and signed by people who are trusted."""

    folder: ReleaseFolder
    signer: str
    """Of the manifest, as the allowed_signers file names them."""
    provenance: TrustedStatement


def open_trusted(path: Path, allowed_signers: Path | None, station: Workstation) -> TrustedRelease:
    """Check a release.

    Args:
        path: its folder.
        allowed_signers: who is trusted; None: whom the user's own file names.
        station: this machine.

    Raises:
        InputError: there is no release.
        TrustError: its manifest or provenance is not signed by somebody who is trusted, the provenance is about another
            release, or a file is not what the manifest says.
    """
    folder = open_release(path)
    trusted = allowed_signers or station.settings.allowed_signers
    if not trusted.is_file():
        own = "edgekit keys init makes yours; others give you theirs (edgekit keys show): --allowed-signers FILE"
        raise TrustError(f"{trusted} is not there: no signer is trusted", hint=own)
    signer = verify(
        station.executor,
        folder.manifest_bytes,
        folder.signature,
        allowed_signers=trusted,
        namespace=SIGNATURE_NAMESPACE,
    )
    provenance = open_sealed(folder.provenance, folder.digest, station.executor, trusted)
    check_whole(folder, station)
    return TrustedRelease(folder=folder, signer=signer, provenance=provenance)


def check_whole(folder: ReleaseFolder, station: Workstation) -> None:
    """Compare every byte with the manifest. Raises TrustError with the first file that differs."""
    try:
        with station.progress.step(f"reading {len(folder.manifest.files)} files of {folder.path}"):
            content, _ = read_content(folder.path / FILES, Memo())
    except OSError as error:
        raise TrustError(f"{error.filename} cannot be read: {error.strerror}", hint=_HINT) from None
    there = {item.path: item for item in content.items if item.kind != "folder"}
    listed = {entry.path: entry for entry in folder.manifest.files}
    for path in sorted(there.keys() | listed.keys()):
        entry, item = listed.get(path), there.get(path)
        where = folder.path / FILES / path
        if item is None or entry is None:
            message = f"{where} is missing" if item is None else f"{where} is not in the manifest"
            raise TrustError(message, hint=_HINT)
        if item.kind != "file" or item.value != entry.sha256:
            raise TrustError(f"{where} is not what the manifest says", hint=_HINT)
        if item.executable != entry.executable:
            wanted = "be" if entry.executable else "not be"
            raise TrustError(f"{where} should {wanted} executable", hint=_HINT)


def describe_sources(stated: BuildDefinition) -> tuple[str, ...]:
    """Where a release's inputs are from, a line each: `source: commit 1a2b3c4d5e6f of git+https://...`."""
    return tuple(
        f"{one.name}: {describe_commit(one)}" + (f" of {one.uri.rpartition('@')[0]}" if "@" in one.uri else "")
        for one in stated.resolvedDependencies
        if one.name in (SOURCE, EDGEKIT_SOURCE)
    )
