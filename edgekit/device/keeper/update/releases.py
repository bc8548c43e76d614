"""Releases on the device: verified before anything else, laid out whole or not at all."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.update.board_trust import BoardTrust, Standing
from edgekit.device.keeper.update.claims import Claims
from edgekit.device.keeper.update.clearing_out import UNFINISHED, ClearingOut
from edgekit.device.keeper.update.examination import Doubts
from edgekit.device.keeper.update.release_files import (
    MANIFEST,
    PLAN,
    SIGNATURE,
    STATEMENT,
    STATEMENT_SIGNATURE,
    files_missing,
    flaws_of,
    read_manifest,
    read_or_nothing,
    read_plan,
)
from edgekit.device.keeper.update.removal import take_apart
from edgekit.device.keeper.update.store import Store
from edgekit.errors import EdgekitError, NothingSelected, RolloutError, TrustError
from edgekit.executor import Executor
from edgekit.judging.releases import NOTHING_STATED, StatedRelease, check_board, check_plan_fits, read_stated
from edgekit.schema.control import ReleaseRef
from edgekit.schema.digests import DigestIndex
from edgekit.schema.manifest import Manifest
from edgekit.schema.names import is_application_name
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.provenance import read_statement, signed_bytes
from edgekit.trust import sha256_bytes

_NEW = Standing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A release whose signature is good, with the bytes that were signed."""

    digest: str
    signer: str
    manifest: Manifest
    manifest_json: bytes
    signature: bytes
    warnings: tuple[str, ...] = ()
    """Of keys that will soon be too old."""
    statement: bytes = b""
    """How it was made, signed by somebody who may sign releases; empty: nobody has said."""
    statement_signature: bytes = b""
    stated: StatedRelease = NOTHING_STATED
    sizes: dict[str, int]
    """Every blob of it, `sha256 -> bytes`."""
    blobs: DigestIndex
    """The same digests, by their beginnings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """An installed release, ready to be started."""

    ref: ReleaseRef
    path: Path
    plan: WorkerPlan
    settings: bytes = field(default=b"", repr=False)
    """What its worker is given, with secrets: a `BoardSettings` as JSON, or nothing."""
    earlier: ReleaseRef | None = None
    """The same release with the settings that it ran with: they do where others find no room on disk."""
    signed_s: int = 0
    """When it was signed, as the signer says; 0 where nobody did."""
    ends_s: int = 0
    """When the key that signed it counts no more; 0 where no trust file says."""


class Releases:
    """What is installed below one prefix. Callers hold the deployment lock of the application that they change."""

    def __init__(
        self,
        layout: Layout,
        disk: Filesystem,
        store: Store,
        executor: Executor,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._layout = layout
        self._disk = disk
        self._store = store
        self.trust = BoardTrust(layout, disk, executor, wall_clock)
        self.claims, self.doubts = Claims(), Doubts(layout)
        self.clearing = ClearingOut(layout, disk, store, self.claims)

    def tidy(self) -> None:
        """Remove what a power cut left half laid out. Before anything else: its links make torn blobs look whole.

        What a broken or read-only disk does not let go stays: the keeper comes up. Installing hashes every blob anyhow.
        """
        for name in self._disk.names(self._layout.releases_dir):
            if name.endswith(UNFINISHED):
                with contextlib.suppress(OSError):
                    take_apart(self._disk, self._layout.release(name))

    def open_offer(self, manifest_json: bytes, signature: bytes) -> Offered:
        """Verify a manifest's signature, then read it.

        Raises:
            TrustError: not signed by an allowed signer, or a manifest that must not be followed.
        """
        believed = self.trust.verify(manifest_json, signature)
        manifest = read_manifest(manifest_json)
        digest = sha256_bytes(manifest_json)
        self.trust.check_revoked(digest)
        check_board(manifest, self.trust.device(), platform.machine())
        if not is_application_name(manifest.application):
            raise TrustError(
                "the manifest is refused: its application has no valid name", hint="build the release again"
            )
        sizes: dict[str, int] = {}
        for entry in manifest.files:
            if sizes.setdefault(entry.sha256, entry.bytes) != entry.bytes:
                raise TrustError(f"the manifest is refused: two sizes for {entry.path}", hint="build the release again")
        return Offered(
            digest=digest,
            signer=believed.signer,
            manifest=manifest,
            manifest_json=manifest_json,
            signature=signature,
            warnings=believed.warnings,
            sizes=sizes,
            blobs=DigestIndex(sizes),
        )

    def open_statement(
        self, offered: Offered, statement: bytes, signature: bytes, standing: Standing = _NEW
    ) -> tuple[Offered, str]:
        """Verify how an offered release was made, and judge what that says; it is kept beside the installed release.

        Returns:
            The offer with its statement, and who signed that.

        Raises:
            TrustError: not signed by an allowed signer, about another release, or one that is not for this device.
        """
        signer = self.trust.verify(signed_bytes(statement), signature, what="the provenance").signer
        stated = read_stated(read_statement(statement, offered.digest))
        self.trust.judge(offered.manifest, offered.digest, stated, standing)
        found = replace(offered, statement=statement, statement_signature=signature, stated=stated)
        return found, signer

    def counter(self, digest: str) -> int:
        """Of an installed release's build, as the provenance beside it says; 0 where none can be read."""
        try:
            statement = (self._layout.release(digest) / STATEMENT).read_bytes()
            return read_stated(read_statement(statement, digest)).counter
        except (OSError, TrustError):
            return 0

    def installed(self, digest: str, *, read: bool = False, alive: Callable[[], None] = lambda: None) -> bool:
        """Whether a release is laid out whole: its files are there by size, and by content if they are to be read.

        Args:
            digest: the release's.
            read: every file of it, which takes long.
            alive: called before each.
        """
        if read and (found := self.doubts.damage(digest, alive)):
            self.doubts.distrust(digest, found)
        return self._layout.release(digest).is_dir() and not self.doubts.flaws(digest)

    def install(self, offered: Offered) -> None:
        """Lay out the release's folder, of blobs that were hashed for this deployment; there twice is there once.

        Raises:
            RolloutError: a blob is missing or damaged, and the paths are named; the disk is full, or this keeper cannot
                run the release.
        """
        if self.installed(offered.digest):
            self._keep_signatures(offered)
            return
        aside = self._layout.releases_dir / f"{offered.digest}{UNFINISHED}"
        take_apart(self._disk, aside)
        with self._disk.explain_full(self._layout.state_dir, len(offered.manifest_json)):
            try:
                self._lay_out(aside, offered)
                check_plan_fits(offered.manifest, read_plan(aside))
                self._disk.sync_disk(aside)
            except (OSError, EdgekitError):
                take_apart(self._disk, aside)
                raise
        if self._layout.release(offered.digest).is_dir():  # not whole: what a cut removal or a bad disk left
            self.clearing.remove(self._layout.release(offered.digest))
        self._disk.rename(aside, self._layout.release(offered.digest))
        self.doubts.laid_out(offered.digest)
        self._disk.sync_folder(self._layout.releases_dir)

    def trusted(
        self, digest: str, standing_of: Callable[[str], Standing] = lambda _: _NEW, *, going_back: bool = False
    ) -> Release:
        """An installed release that may be activated now: signers, floors and rules may have changed since it came.

        Args:
            digest: the release's.
            standing_of: what else decides, by the application's name.
            going_back: it was committed here before: how old it or its signer's key is does not matter.

        Raises:
            NothingSelected: it is not installed.
            RolloutError: it is not whole: its files are read unless they were since this keeper's start.
            TrustError: its manifest is not the signed one, its signer is trusted no more, or it is not for this device.
        """
        self._check_installed(digest, self.doubts.flaws(digest))
        path = self._layout.release(digest)
        manifest_json = (path / MANIFEST).read_bytes()
        believed = self.trust.verify(manifest_json, (path / SIGNATURE).read_bytes(), going_back=going_back)
        if sha256_bytes(manifest_json) != digest:
            raise TrustError(f"release {digest[:12]} was changed on the device", hint="deploy it again")
        self.trust.check_revoked(digest)
        manifest = read_manifest(manifest_json)
        check_board(manifest, self.trust.device(), platform.machine())
        stated = self._stated(path, digest, going_back=going_back)
        if not going_back:
            self.trust.judge(manifest, digest, stated, standing_of(manifest.application))
        if found := self.doubts.unread_damage(digest):
            self.doubts.distrust(digest, found)
            self._check_installed(digest, found)
        plan = read_plan(path)
        check_plan_fits(manifest, plan)
        ref = ReleaseRef(
            digest=digest,
            application=plan.application,
            version=plan.version,
            signer=believed.signer,
            counter=stated.counter,
        )
        return Release(ref=ref, path=path, plan=plan, signed_s=stated.signed_s, ends_s=believed.ends_s)

    def committed(self, ref: ReleaseRef) -> Release:
        """A release that was activated before. Its signature is not asked again: a board whose clock is lost comes up.

        It may have rotted where nothing else is to be had: what has the right size is started.

        Raises:
            NothingSelected: it is not installed.
            RolloutError: a file is missing or cut, or its plan cannot be read.
        """
        self._check_installed(ref.digest, flaws_of(self._layout.release(ref.digest), ref.digest))
        path = self._layout.release(ref.digest)
        plan = read_plan(path)
        if plan.application != ref.application:
            raise RolloutError(
                f"{PLAN} is of {plan.application}, the release of {ref.application}", hint="build it again"
            )
        return Release(ref=ref, path=path, plan=plan)

    def _check_installed(self, digest: str, flaws: tuple[str, ...]) -> None:
        """Raise NothingSelected where a release is not there, RolloutError for what is wrong with it."""
        if not self._layout.release(digest).is_dir():
            hint = "edgekit deploy it first"
            raise NothingSelected(f"release {digest[:12]} is not on the device", hint=hint)
        if flaws:
            raise RolloutError(
                f"release {digest[:12]} is not whole on the device: {flaws[0]}",
                hint="edgekit deploy it again: what is missing is sent anew",
                details="\n".join(flaws),
            )

    def _stated(self, path: Path, digest: str, *, going_back: bool) -> StatedRelease:
        """What the provenance beside an installed release says; nothing where it is not there, or not believed now."""
        try:
            statement, signature = (path / STATEMENT).read_bytes(), (path / STATEMENT_SIGNATURE).read_bytes()
            self.trust.verify(signed_bytes(statement), signature, what="the provenance", going_back=going_back)
            return read_stated(read_statement(statement, digest))
        except (OSError, TrustError):
            return NOTHING_STATED

    def _keep_signatures(self, offered: Offered) -> None:
        """Put what signed an installed release now, and a later build's statement, in place of what is there.

        Keys come and go, and somebody may have signed too. Cut in the middle, what does not fit is not believed.
        """
        folder = self._layout.release(offered.digest)
        words = [(SIGNATURE, offered.signature)]
        same = offered.statement == read_or_nothing(folder / STATEMENT)
        if offered.statement and (same or offered.stated.counter > self.counter(offered.digest)):
            words += [(STATEMENT_SIGNATURE, offered.statement_signature), (STATEMENT, offered.statement)]
        with self._disk.explain_full(self._layout.state_dir, sum(len(content) for _, content in words)):
            for name, content in words:
                if content != read_or_nothing(folder / name):
                    self._disk.replace(folder / name, content)

    def _lay_out(self, aside: Path, offered: Offered) -> None:
        self._disk.make_folder(aside)
        made = {""}
        missing: list[str] = []
        for entry in offered.manifest.files:
            blob = self._store.materialise(entry)
            if blob is None:
                missing.append(entry.path)
                continue
            folder = entry.path.rpartition("/")[0]
            if folder not in made:
                self._disk.make_folders(aside / folder)
                made.add(folder)
            self._disk.link(blob, Path(f"{aside}/{entry.path}"))
        if missing:
            raise files_missing(missing)
        self._disk.write(aside / MANIFEST, offered.manifest_json)
        self._disk.write(aside / SIGNATURE, offered.signature)
        if offered.statement:
            self._disk.write(aside / STATEMENT, offered.statement)
            self._disk.write(aside / STATEMENT_SIGNATURE, offered.statement_signature)
