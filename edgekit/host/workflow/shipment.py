"""The bytes of one release on their way to one device, over as many connections as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from edgekit.errors import InputError, TrustError
from edgekit.host.blobs import packed
from edgekit.host.link.client import ACTIVATION_S, KeeperClient
from edgekit.host.link.delta.files import Patch, ReleaseFiles
from edgekit.host.link.delta.lzma_patch import make_patch
from edgekit.host.link.outgoing_trust import counter_of
from edgekit.host.link.sending import (
    Outgoing,
    OutgoingRelease,
    Sent,
    Transfer,
    count_bytes,
    plan_transfer,
    send_files,
    wording,
)
from edgekit.host.progress import Progress
from edgekit.host.release.folder import ReleaseFolder
from edgekit.host.release.names import FILES
from edgekit.schema.control import Missing, MissingBlob, Offer, Status
from edgekit.schema.message import from_message_data
from edgekit.schema.units import counted, format_bytes
from edgekit.trust import sha256_bytes

_STATEMENT_CHARS = 12
"""Of the digest of how a release was made: the device notices a patch that does not fit what it has."""


def outgoing_release(folder: ReleaseFolder) -> OutgoingRelease:
    """A release's folder as it is sent."""
    return OutgoingRelease(
        manifest=folder.manifest,
        manifest_bytes=folder.manifest_bytes,
        signature=folder.signature,
        digest=folder.digest,
        file=lambda path: folder.path / FILES / path,
        provenance=lambda: _provenance(folder),
    )


def _provenance(folder: ReleaseFolder) -> tuple[bytes, bytes]:
    if not folder.provenance:
        return b"", b""
    from edgekit.host.release.envelope import unseal  # noqa: PLC0415  only for what is sent at all

    return unseal(folder.provenance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deltas:
    """Where patches come from; without them files travel whole."""

    find: Callable[[Sequence[str]], ReleaseFiles | None] = lambda _: None
    """The first release of these digests that this machine has."""
    patches: Callable[[ReleaseFiles | None, ReleaseFiles], Mapping[str, Patch]] = lambda _old, _new: {}
    """The patches from one release to another, by what they make; from None: files packed as well as can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendLimits:
    """What a user allows."""

    max_bytes: int | None = None
    """More is refused before anything of the files is sent."""
    bandwidth_bytes_per_s: int | None = None

    @property
    def dear(self) -> bool:
        """Whether somebody counts bytes: then files that no patch makes are packed well, which takes long."""
        return self.max_bytes is not None or self.bandwidth_bytes_per_s is not None


@dataclass(slots=True)
class Shipment:
    """One release for one device."""

    device: str
    release: OutgoingRelease
    progress: Progress
    deltas: Deltas = Deltas()
    limits: SendLimits = SendLimits()
    sent: Sent = field(default_factory=Sent)
    _base: ReleaseFiles | None = None
    _offered: bool = False
    """Whether the device has seen the manifest: over the next connection it is a patch of itself."""
    _stated: bool = False
    """The same of how the release was made."""
    _judged: bool = False

    def offer(self, keeper: KeeperClient, status: Status) -> Offer:
        """Offer the release, its manifest as a patch of what the device has.

        Raises:
            TrustError: the device refuses it.
        """
        self._base = self._base or self.deltas.find(self._there(status))
        answer = self._ask_first(keeper, self._offers(keeper))
        self._offered = True
        offer = from_message_data(Offer, answer, f"offer of {self.device}")
        if offer.digest != self.release.digest:
            raise TrustError(
                f"{self.device} was offered release {self.release.digest[:12]} and answers about {offer.digest[:12]}",
                hint=f"edgekit provision {self.device} brings it a keeper that is whole",
            )
        for warning in offer.warnings:
            self.progress.note(f"warning: {warning}")
        return offer

    def state(self, keeper: KeeperClient, offer: Offer) -> None:
        """Tell how the release was made: before its files, for a device may refuse it for that.

        Where the release is there already, not of an older build of the same.
        """
        statement, signature = self.release.provenance() if keeper.can("provenance") else (b"", b"")
        if statement and not (offer.installed and counter_of(statement) < offer.counter):
            self._ask_first(keeper, self._statements(keeper, statement, signature))
            self._stated = True

    def plan(self, keeper: KeeperClient, offer: Offer) -> Transfer:
        """Choose each missing file's way; patches that nobody has made yet are made."""
        wanted = offer.missing and keeper.can("code-patches") and (self._base or self.limits.dear)
        return plan_transfer(self.release, offer.missing, offer.begun, self._patches() if wanted else {})

    def send(self, keeper: KeeperClient, offer: Offer) -> None:
        """Send what is missing; what could not be patched over there follows whole.

        Raises:
            InputError: it is more than the user allows; nothing was sent.
        """
        transfer = self.plan(keeper, offer)
        if not transfer:
            return
        self._judge(transfer, keeper)
        self._send(keeper, transfer)
        if not transfer.patches:
            return
        with self.progress.step(f"{self.device}: applying patches"):
            answer = keeper.ask("missing", patience_s=ACTIVATION_S)
        left = from_message_data(Missing, answer, f"answer of {self.device}").missing
        again = self._not_patched(transfer, left)
        if again:
            self.progress.note(f"{self.device}: {counted(len(again), 'file')} could not be patched there")
            self._send(keeper, again)

    def count(self, keeper: KeeperClient, transfer: Transfer) -> int:
        """What all of it takes on the wire, to the byte, without SSH's own: what was sent already, and these files."""
        return self.sent.wire_bytes + count_bytes(self.release, transfer, wording(keeper, self.release))

    def check_allowed(self, needed: int) -> None:
        """Return if a user allows so many bytes. Raises InputError."""
        most = self.limits.max_bytes
        if most is not None and needed > most:
            raise InputError(
                f"{self.device} would be sent {needed} bytes ({format_bytes(needed)}), --max-bytes allows {most}",
                hint="allow as many, or deploy over another link",
            )

    def _patches(self) -> Mapping[str, Patch]:
        """What there are or can be made: a full disk of this machine costs patches, and no deployment."""
        try:
            return self.deltas.patches(self._base, self.release)
        except OSError as error:
            self.progress.note(f"no patches can be kept ({error.strerror}: {error.filename}): files travel whole")
            return {}

    def _not_patched(self, transfer: Transfer, left: Sequence[MissingBlob]) -> Transfer:
        sent = {one.entry.sha256 for one in transfer.files}
        return plan_transfer(self.release, [blob for blob in left if blob.sha256 in sent], (), {})

    def _send(self, keeper: KeeperClient, transfer: Transfer) -> None:
        files = len({entry.sha256 for entry in self.release.manifest.files})
        text = f"{self.device}: sending {len(transfer)} of {counted(files, 'file')}"
        if transfer.patches:
            text += f", {transfer.patches} as patches"
        with self.progress.amount(text, transfer.bytes) as advance:
            send_files(keeper, self.release, transfer, self.sent, advance)

    def _judge(self, transfer: Transfer, keeper: KeeperClient) -> None:
        """Once, before the first byte of files: what a broken link costs on top is no reason to stop half way."""
        if not self._judged and self.limits.max_bytes is not None:
            self.check_allowed(self.count(keeper, transfer))
            self._judged = True

    def _there(self, status: Status) -> list[str]:
        """Digests of the releases that the device has, the likeliest base first."""
        own = [found for found in status.applications if found.application == self.release.manifest.application]
        others = [found for found in status.applications if found not in own]
        refs = [ref for found in own for ref in (found.current, found.previous)]
        return [ref.digest for ref in (*refs, *(found.current for found in others)) if ref is not None]

    def _ask_first(self, keeper: KeeperClient, ways: Iterable[Outgoing]) -> dict[str, object]:
        """The answer to the first of some ways to say the same that the device can follow; the last needs no base."""
        for request in ways:
            self.sent.wire_bytes += request.wire_bytes
            try:
                return keeper.ask(request.verb, payload=request.payload, **request.fields)
            except InputError:
                if not request.fields.get("size_bytes"):
                    raise  # else the base is gone over there: the next way needs another, or none
        raise AssertionError("there is always one way")

    def _offers(self, keeper: KeeperClient) -> Iterator[Outgoing]:
        """The ways to offer the manifest, the one of fewest bytes first."""
        new, signature = self.release.manifest_bytes, self.release.signature
        usual = {"application": self.release.manifest.application, "signature_bytes": len(signature)}
        bases = [(base.digest, base.manifest_bytes) for base in self._bases(seen=self._offered)]
        for text, made in self._ways(keeper, bases, new):
            yield Outgoing(verb="offer", payload=text + signature, fields={**usual, **made})

    def _statements(self, keeper: KeeperClient, statement: bytes, signature: bytes) -> Iterator[Outgoing]:
        """The ways to tell how the release was made, likewise."""
        usual = {"signature_bytes": len(signature)}
        digest = {"sha256": sha256_bytes(statement)[:_STATEMENT_CHARS]}
        bases = [(base.digest, base.provenance()[0]) for base in self._bases(seen=self._stated)]
        for text, made in self._ways(keeper, [one for one in bases if one[1]], statement):
            fields = {**usual, **made, **digest} if made else usual
            yield Outgoing(verb="provenance", payload=text + signature, fields=fields)

    def _ways(
        self, keeper: KeeperClient, bases: Iterable[tuple[str, bytes]], new: bytes
    ) -> Iterator[tuple[bytes, dict[str, object]]]:
        """A text as it may travel, and what the request has to say of that.

        A patch of each release's; one of nothing where bytes are dear, as the device starts a program for it; packed,
        and as it is.
        """
        packs, size = keeper.can("packed-texts"), {"size_bytes": len(new)}
        nothing = () if packs and not self.limits.dear else (("", b""),)
        for digest, base in (*bases, *nothing) if keeper.can("code-patches") else ():
            patch = make_patch(base, new)
            if patch is not None:
                yield patch, {"base": digest, **size}
        text, encoding = packed(new, packs=packs)
        if encoding == "zlib":
            yield text, {"encoding": encoding, **size}
        yield new, {}

    def _bases(self, *, seen: bool) -> list[ReleaseFiles]:
        """Releases of whose texts the device has its own, the likest first."""
        return [base for base in (self.release if seen else None, self._base) if base]
