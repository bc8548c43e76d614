"""Releases on the device: verified before anything else, laid out whole or not at all."""

from __future__ import annotations

import contextlib
import json
import stat
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.update.claims import Claims
from edgekit.device.keeper.update.removal import take_apart
from edgekit.device.keeper.update.store import Store
from edgekit.errors import EdgekitError, NothingSelected, RolloutError, TrustError
from edgekit.executor import Executor
from edgekit.schema.control import ReleaseRef
from edgekit.schema.manifest import SIGNATURE_NAMESPACE, Manifest, check_manifest, is_safe_path
from edgekit.schema.message import from_message
from edgekit.schema.names import is_application_name
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.provenance import read_statement, signed_bytes
from edgekit.trust import sha256_bytes, verify

MANIFEST, SIGNATURE, PLAN = "manifest.json", "manifest.json.sig", "plan.json"
STATEMENT, STATEMENT_SIGNATURE = "provenance.json", "provenance.json.sig"
"""How the release was made, and the signature over its DSSE encoding: what its envelope holds on the host."""
_SHOWN = 5
_UNFINISHED = ".tmp"
"""Ends the name of a folder that is being made or removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A release whose signature is good, with the bytes that were signed."""

    digest: str
    signer: str
    manifest: Manifest
    manifest_json: bytes
    signature: bytes
    statement: bytes = b""
    """How it was made, signed by somebody who may sign releases; empty: nobody has said."""
    statement_signature: bytes = b""
    sizes: dict[str, int]
    """Every blob of it, `sha256 -> bytes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An installed release, ready to be started."""

    ref: ReleaseRef
    path: Path
    plan: WorkerPlan
    settings: bytes = field(default=b"", repr=False)
    """What its worker is given, with secrets: a `BoardSettings` as JSON, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Which releases the board's applications need."""

    digests: Collection[str]
    lost: Collection[str] = ()
    """Applications whose state is lost: none of their releases may be removed."""


class Releases:
    """What is installed below one prefix. Callers hold the deployment lock of the application that they change."""

    def __init__(self, layout: Layout, disk: Filesystem, store: Store, executor: Executor) -> None:
        self._layout = layout
        self._disk = disk
        self._store = store
        self._executor = executor
        self.claims = Claims()

    def tidy(self) -> None:
        """Remove what a power cut left half laid out. Before anything else: its links make torn blobs look whole.

        What a broken or read-only disk does not let go stays: the keeper comes up. Installing hashes every blob anyhow.
        """
        for name in self._disk.names(self._layout.releases_dir):
            if name.endswith(_UNFINISHED):
                with contextlib.suppress(OSError):
                    take_apart(self._disk, self._layout.release(name))

    def open_offer(self, manifest_json: bytes, signature: bytes) -> Offered:
        """Verify a manifest's signature, then read it.

        Raises:
            TrustError: not signed by an allowed signer, or a manifest that must not be followed.
        """
        signer = self._verify(manifest_json, signature)
        try:
            manifest = from_message(Manifest, manifest_json, MANIFEST)
        except EdgekitError as error:
            raise TrustError(
                f"the manifest is refused: this keeper cannot read {_in_one_line(error)}",
                hint="provision the device with the edgekit that built the release",
                details=error.message,
            ) from None
        check_manifest(manifest)
        if not is_application_name(manifest.application):
            raise TrustError(
                "the manifest is refused: its application has no valid name", hint="build the release again"
            )
        sizes: dict[str, int] = {}
        for entry in manifest.files:
            if sizes.setdefault(entry.sha256, entry.bytes) != entry.bytes:
                raise TrustError(f"the manifest is refused: two sizes for {entry.path}", hint="build the release again")
        return Offered(
            digest=sha256_bytes(manifest_json),
            signer=signer,
            manifest=manifest,
            manifest_json=manifest_json,
            signature=signature,
            sizes=sizes,
        )

    def open_statement(self, offered: Offered, statement: bytes, signature: bytes) -> tuple[Offered, str]:
        """Verify how an offered release was made; it is kept beside the release when that is installed.

        Returns:
            The offer with its statement, and who signed that.

        Raises:
            TrustError: not signed by an allowed signer, or about another release.
        """
        try:
            signer = self._verify(signed_bytes(statement), signature)
        except TrustError as error:
            message = error.message.replace("the release", "the provenance")
            raise TrustError(message, hint=error.hint, details=error.details) from None
        read_statement(statement, offered.digest)
        return replace(offered, statement=statement, statement_signature=signature), signer

    def installed(self, digest: str) -> bool:
        """Whether a release is laid out whole: every file of its manifest is there, with its size."""
        return self._layout.release(digest).is_dir() and not self._flaws(digest)

    def install(self, offered: Offered) -> None:
        """Check every blob by its hash and lay out the release's folder; there twice is there once.

        Raises:
            RolloutError: a blob is missing or damaged, and the paths are named; the disk is full, or this keeper cannot
                run the release.
        """
        if self.installed(offered.digest):
            return
        aside = self._layout.releases_dir / f"{offered.digest}{_UNFINISHED}"
        take_apart(self._disk, aside)
        with self._disk.explain_full(self._layout.state_dir, len(offered.manifest_json)):
            try:
                self._lay_out(aside, offered)
                self._check_plan(aside, offered.manifest.application)
                self._disk.sync_disk(aside)
            except (OSError, EdgekitError):
                take_apart(self._disk, aside)
                raise
        if self._layout.release(offered.digest).is_dir():  # not whole: what a cut removal or a bad disk left
            self._remove(self._layout.release(offered.digest))
        self._disk.rename(aside, self._layout.release(offered.digest))
        self._disk.sync_folder(self._layout.releases_dir)

    def trusted(self, digest: str) -> Release:
        """An installed release whose signature is good now: signers may have changed since it was installed.

        Raises:
            NothingSelected: it is not installed.
            RolloutError: it is not whole.
            TrustError: its manifest is not the signed one, or its signer is trusted no more.
        """
        self._check_installed(digest)
        path = self._layout.release(digest)
        manifest_json = (path / MANIFEST).read_bytes()
        signer = self._verify(manifest_json, (path / SIGNATURE).read_bytes())
        if sha256_bytes(manifest_json) != digest:
            raise TrustError(f"release {digest[:12]} was changed on the device", hint="deploy it again")
        plan = self._check_plan(path, str(json.loads(manifest_json).get("application")))
        ref = ReleaseRef(digest=digest, application=plan.application, version=plan.version, signer=signer)
        return Release(ref=ref, path=path, plan=plan)

    def committed(self, ref: ReleaseRef) -> Release:
        """A release that was activated before. Its signature is not asked again: a board whose clock is lost comes up.

        Raises:
            NothingSelected: it is not installed.
            RolloutError: it is not whole, or its plan cannot be read.
        """
        self._check_installed(ref.digest)
        path = self._layout.release(ref.digest)
        return Release(ref=ref, path=path, plan=self._check_plan(path, ref.application))

    def collect(self, references: Callable[[], References]) -> None:
        """Remove releases that no application needs, what was left half done, and the blobs that are then unused.

        What a deployment under way has claimed stays; no other claims anything meanwhile.

        Args:
            references: which releases are needed, asked once the claims stand still.
        """
        with self.claims.all() as (releases, blobs):
            found = references()
            kept = {*releases, *found.digests}
            for name in self._disk.names(self._layout.releases_dir):
                folder = self._layout.release(name)
                if folder.name.partition(".")[0] not in kept and not self._is_of(folder, found.lost):
                    self._remove(folder)
            self._store.collect(blobs)

    def _is_of(self, folder: Path, applications: Collection[str]) -> bool:
        """Whether a whole release is one of these applications'."""
        if not applications or folder.suffix == _UNFINISHED:
            return False
        try:
            return json.loads((folder / MANIFEST).read_bytes())["application"] in applications
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _remove(self, folder: Path) -> None:
        """Remove a folder that, from its first file on, no longer passes for a release, whenever the power goes."""
        if folder.suffix != _UNFINISHED:
            aside = folder.with_name(f"{folder.name}.gone{_UNFINISHED}")
            take_apart(self._disk, aside)
            self._disk.rename(folder, aside)
            self._disk.sync_folder(self._layout.releases_dir)
            folder = aside
        take_apart(self._disk, folder)

    def _check_installed(self, digest: str) -> None:
        """Raise NothingSelected where a release is not there, RolloutError where it is not whole."""
        if not self._layout.release(digest).is_dir():
            hint = "edgekit deploy it first"
            raise NothingSelected(f"release {digest[:12]} is not on the device", hint=hint)
        flaws = self._flaws(digest)
        if flaws:
            raise RolloutError(
                f"release {digest[:12]} is not whole on the device: {flaws[0]}",
                hint="edgekit deploy it again: what is missing is sent anew",
                details="\n".join(flaws),
            )

    def _flaws(self, digest: str) -> tuple[str, ...]:
        """What of a release's files is missing or has another size. Contents are hashed when it is laid out."""
        folder = self._layout.release(digest)
        try:
            manifest_json = (folder / MANIFEST).read_bytes()
            (folder / SIGNATURE).stat()
            if sha256_bytes(manifest_json) != digest:
                return (f"its {MANIFEST} was changed",)
            sizes = {entry["path"]: entry["bytes"] for entry in json.loads(manifest_json)["files"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            return (f"its {MANIFEST} or signature cannot be read: {error}",)
        return tuple(f"{path} is missing or cut" for path, size in sizes.items() if _size(folder / path) != size)

    def _verify(self, manifest_json: bytes, signature: bytes) -> str:
        signers = self._layout.allowed_signers
        return verify(self._executor, manifest_json, signature, allowed_signers=signers, namespace=SIGNATURE_NAMESPACE)

    def _lay_out(self, aside: Path, offered: Offered) -> None:
        self._disk.make_folder(aside)
        made = {aside}
        missing: list[str] = []
        for entry in offered.manifest.files:
            blob = self._store.materialise(entry)
            if blob is None:
                missing.append(entry.path)
                continue
            target = aside / entry.path
            if target.parent not in made:
                self._disk.make_folders(target.parent)
                made.add(target.parent)
            self._disk.link(blob, target)
        if missing:
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            raise RolloutError(
                f"missing or damaged: {', '.join(missing[:_SHOWN])}{more}",
                hint="deploy the release again: what is wrong is sent anew",
                details="\n".join(missing),
            )
        self._disk.write(aside / MANIFEST, offered.manifest_json)
        self._disk.write(aside / SIGNATURE, offered.signature)
        if offered.statement:
            self._disk.write(aside / STATEMENT, offered.statement)
            self._disk.write(aside / STATEMENT_SIGNATURE, offered.statement_signature)

    def _check_plan(self, path: Path, application: str) -> WorkerPlan:
        """Read a release's plan; what it names becomes paths and programs here.

        Raises:
            RolloutError: this keeper cannot read it or must not follow it.
        """
        hint = "provision the device with the edgekit that built the release"
        try:
            plan = from_message(WorkerPlan, (path / PLAN).read_bytes(), PLAN)
        except FileNotFoundError:
            raise RolloutError(f"the release has no {PLAN}", hint="build it again") from None
        except EdgekitError as error:
            raise RolloutError(
                f"this keeper cannot read {_in_one_line(error)}", hint=hint, details=error.message
            ) from None
        folders = [folder for folder in (plan.site, plan.app) if folder]
        if not (
            is_application_name(plan.application)
            and plan.python_path.startswith("/")
            and all(map(is_safe_path, folders))
        ):
            raise RolloutError(
                f"{PLAN} names an application, program or folder that it must not", hint="build it again"
            )
        if plan.application != application:
            raise RolloutError(f"{PLAN} is of {plan.application}, the release of {application}", hint="build it again")
        return plan


def _in_one_line(error: EdgekitError) -> str:
    """What is wrong with a file; of several mistakes how many."""
    return error.message.partition("\n")[0]


def _size(path: Path) -> int:
    """A regular file's size; -1 where there is none."""
    try:
        status = path.lstat()
    except OSError:
        return -1
    return status.st_size if stat.S_ISREG(status.st_mode) else -1
