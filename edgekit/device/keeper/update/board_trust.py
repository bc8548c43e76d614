"""What the board believes: its trust file, what it was told it is, and the floors that never sink.

The rules are `edgekit.judging`'s; here lie their files, signatures and the clock. Where a board has no trust file, its
allowed_signers file says who may sign, as OpenSSH understands it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.layout import Layout
from edgekit.errors import InputError, TrustError
from edgekit.executor import Executor
from edgekit.judging.keys import (
    age_warnings,
    by_fingerprint,
    check_document,
    check_enough,
    check_permit,
    check_successor,
    end_of,
    raised_floor,
)
from edgekit.judging.releases import StatedRelease, check_age, check_fleet, check_policy, check_revoked
from edgekit.schema.manifest import SIGNATURE_NAMESPACE, Manifest
from edgekit.schema.message import Message, from_message, to_message
from edgekit.schema.trust import (
    MAX_SIGNATURES,
    MAX_TRUST_BYTES,
    PERMIT_NAMESPACE,
    TRUST_NAMESPACE,
    DeviceIdentity,
    DowngradePermit,
    SignedDocument,
    TrustDocument,
    parse_signed,
    read_document,
)
from edgekit.trust import fingerprint, signing_keys, split_signatures, verify

_MAX_FLOORS = 1024
_FLOORS_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """Who signed something that was believed."""

    signer: str
    """By name; several with commas between."""
    ends_s: int = 0
    """When the first of their keys counts no more; 0 where no trust file says."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What decides about a release besides itself."""

    floor: int = 0
    """Of its application: the highest counter that was committed here."""
    permit: DowngradePermit | None = None
    """What this connection brought."""
    current: str = ""
    """Digest of the committed release: it is no step back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors(Message):
    """`floors.json`: what outlives even the removal of an application."""

    time_s: int = 0
    counters: dict[str, int] = field(default_factory=dict)


class BoardTrust:
    """Judges what comes, for any thread.

    Args:
        layout: where things lie.
        disk: writes the trust file and the floors.
        executor: runs ssh-keygen.
        clock: seconds since the epoch, as far as the board knows.
    """

    def __init__(self, layout: Layout, disk: Filesystem, executor: Executor, clock: Callable[[], float]) -> None:
        self._layout = layout
        self._disk = disk
        self._executor = executor
        self._clock = clock
        self._guard = threading.Lock()

    def document(self) -> TrustDocument | None:
        """The trust file in force; None where there is none.

        Raises:
            TrustError: it cannot be read any more.
        """
        file = self._layout.trust_file
        try:
            with file.open("rb") as opened:
                document = read_document(
                    TrustDocument, parse_signed(opened.read(MAX_TRUST_BYTES + 1), str(file)), file.name
                )
            check_document(document)
        except FileNotFoundError:
            return None
        except (OSError, TrustError) as error:
            hint = "edgekit provision DEVICE --replace-trust writes it anew"
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise TrustError(f"the device's {file} cannot be followed: {why}", hint=hint) from None
        return document

    @property
    def version(self) -> int:
        """Of the trust file in force; 0 where none is."""
        with contextlib.suppress(TrustError):
            found = self.document()
            return found.version if found else 0
        return 0

    @property
    def signed_s(self) -> int:
        """The newest time that somebody has signed and that was believed; 0 where there is none."""
        with contextlib.suppress(TrustError):
            found = self.document()
            return max(self.floors().time_s, found.issued_s if found else 0)
        return 0

    def device(self) -> DeviceIdentity:
        """What the device was told it is. Raises TrustError where that cannot be read."""
        file = self._layout.identity_file
        try:
            return from_message(DeviceIdentity, file.read_bytes(), file.name)
        except FileNotFoundError:
            return DeviceIdentity()
        except (OSError, InputError) as error:
            raise TrustError(f"the device's {file} cannot be read: {error}", hint="edgekit provision DEVICE") from None

    def verify(
        self,
        message: bytes,
        signatures: bytes,
        *,
        what: str = "the release",
        namespace: str = SIGNATURE_NAMESPACE,
        going_back: bool = False,
    ) -> Believed:
        """Check signatures over something.

        Args:
            message: what was signed.
            signatures: armoured, one after the other.
            what: it is, for messages.
            namespace: what it was signed for.
            going_back: keys that are only old still count.

        Raises:
            TrustError: they are not of enough keys that count now.
        """
        try:
            return self._verified(message, signatures, what, namespace, going_back=going_back)
        except TrustError as error:
            error.cause = error.cause or "signature"
            raise

    def _verified(self, message: bytes, signatures: bytes, what: str, namespace: str, *, going_back: bool) -> Believed:
        trust = self.document()
        if trust is None:
            return self._verify_by_list(message, signatures, what, namespace)
        pieces = split_signatures(signatures)[:MAX_SIGNATURES] if signatures.strip() else ()
        known, claimed = by_fingerprint(trust), {fingerprint(piece) for piece in pieces} - {""}
        if not claimed:
            raise TrustError(f"{what} is not signed", hint="edgekit build signs what it makes; see edgekit keys init")
        keys = {one: key.key for one, key in known.items()}
        signed = signing_keys(self._executor, message, pieces, keys=keys, namespace=namespace)
        if not signed and claimed & known.keys():
            raise TrustError(f"the signature of {', '.join(sorted(claimed))} does not fit {what}", hint=_AGAIN)
        now_s = self.time_s(trust)
        counted = check_enough(trust, signed | (claimed - known.keys()), now_s, what, going_back=going_back)
        return Believed(
            signer=", ".join(sorted(known[one].name for one in counted)),
            ends_s=min(end_of(trust, known[one]) for one in counted),
            warnings=age_warnings(trust, counted, now_s),
        )

    def follow(self, data: bytes) -> TrustDocument:
        """Take a later version of the trust file, for good.

        Raises:
            TrustError: it is none that this board may follow.
            RolloutError: the disk is full.
        """
        brought = parse_signed(data, "the trust file")
        after = read_document(TrustDocument, brought, "the trust file")
        check_document(after)
        with self._guard:
            before = self.document()
            if before is None:
                hint = "edgekit provision DEVICE installs the first"
                raise TrustError("the device has no trust file that another could follow", hint=hint)
            if after != before:
                check_successor(before, after, self._signers_of(brought, before, after))
                with self._disk.explain_full(self._layout.trust_file.parent, len(data)):
                    self._disk.replace(self._layout.trust_file, brought.to_bytes())
        return after

    def permit(self, data: bytes) -> DowngradePermit:
        """Take a permit. It counts for the release that it names, on the connection that brought it.

        Raises:
            TrustError: not signed by enough, or not for this device and time.
        """
        brought = parse_signed(data, "the permit")
        trust = self.document()
        if trust is None:
            hint = "build the release again from its source; or edgekit provision DEVICE installs the first trust file"
            raise TrustError("the device has no trust file, so nobody can permit a downgrade", hint=hint)
        signatures = "".join(brought.signatures).encode()
        self.verify(brought.message, signatures, what="the permit", namespace=PERMIT_NAMESPACE)
        permit = read_document(DowngradePermit, brought, "the permit")
        self._check(permit, permit.digest)
        return permit

    def judge(self, manifest: Manifest, digest: str, stated: StatedRelease, standing: Standing) -> None:
        """Return if a release whose signatures are good, and that was not committed here before, may be activated.

        Raises:
            TrustError: it is revoked, another fleet's, older than it may be, or against the fleet's policy.
        """
        trust = self.document()
        check_fleet(stated, self.device())
        permitted = digest == standing.current
        if not permitted and standing.permit is not None and standing.permit.application == manifest.application:
            self._check(standing.permit, digest)
            permitted = True
        check_age(manifest.application, stated.counter, standing.floor, permitted=permitted)
        if trust is not None:
            check_policy(trust.policy, manifest, stated)

    def check_revoked(self, digest: str) -> None:
        """Return if a release is not revoked. Raises TrustError."""
        trust = self.document()
        if trust is not None:
            check_revoked(trust, digest)

    def time_s(self, trust: TrustDocument | None) -> float:
        """Now: never below the newest time that somebody has signed, wherever the board's clock stands."""
        return max(self._clock(), self.floors().time_s, trust.issued_s if trust else 0)

    def floors(self) -> Floors:
        """What was kept; where that was lost, what the applications' states know still counts."""
        try:
            return from_message(Floors, self._layout.floors_file.read_bytes(), "floors.json")
        except (OSError, InputError):
            return Floors()

    def keep_floor(self, application: str, counter: int, *, signed_s: int = 0, ends_s: int = 0) -> None:
        """Raise an application's floor, and the time's.

        Args:
            application: whose release was committed.
            counter: its build's.
            signed_s: when something was signed that was believed just now; 0: nothing was.
            ends_s: when the key that signed it counts no more.

        Raises:
            RolloutError: the disk is full.
            TrustError: the trust file cannot be read.
            OSError: it cannot be written.
        """
        with self._guard:
            before, trust = self.floors(), self.document()
            counters = dict(before.counters)
            if counter > counters.get(application, 0) and (application in counters or len(counters) < _MAX_FLOORS):
                counters[application] = counter
            time_s = max(before.time_s, trust.issued_s if trust else 0)
            if signed_s and ends_s:
                time_s = raised_floor(time_s, self._clock(), signed_s, ends_s)
            after = replace(before, time_s=time_s, counters=counters)
            if after != before:
                with self._disk.explain_full(self._layout.state_dir, _FLOORS_BYTES):
                    self._disk.replace(self._layout.floors_file, to_message(after))

    def _check(self, permit: DowngradePermit, digest: str) -> None:
        device = self.device()
        check_permit(permit, digest, device.name, device.fleet, self.time_s(self.document()))

    def _signers_of(self, brought: SignedDocument, before: TrustDocument, after: TrustDocument) -> frozenset[str]:
        known = {**by_fingerprint(after), **by_fingerprint(before)}
        return signing_keys(
            self._executor,
            brought.message,
            [one.encode() for one in brought.signatures],
            keys={one: key.key for one, key in known.items()},
            namespace=TRUST_NAMESPACE,
        )

    def _verify_by_list(self, message: bytes, signatures: bytes, what: str, namespace: str) -> Believed:
        signers = self._layout.allowed_signers
        try:
            signer = verify(self._executor, message, signatures, allowed_signers=signers, namespace=namespace)
        except TrustError as error:
            raise TrustError(
                error.message.replace("the release", what), hint=error.hint, details=error.details
            ) from None
        return Believed(signer=signer)


_AGAIN = "build the release again and deploy that"
