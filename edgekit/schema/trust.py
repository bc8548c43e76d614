"""Who may sign for a fleet's devices, and what its devices refuse: `trust.json`, permits, and what a device is.

A trust file names every key that counts. Each version is signed by enough keys of the version before it and by enough
of its own, so that a device which has one version can follow to any later one without believing whoever brings it.

Both signed kinds travel as `{"signed": {...}, "signatures": ["-----BEGIN SSH SIGNATURE-----..."]}`. What is signed are
the bytes of `canonical_bytes`, in a namespace of its own for each kind.

Source: The Update Framework, section 5.3 (root metadata: versions, thresholds, the chain of signatures).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, TypeVar

from edgekit.errors import InputError, TrustError
from edgekit.schema.message import MUST_UNDERSTAND, Message, from_message_data, to_message_data

TRUST_NAMESPACE, PERMIT_NAMESPACE = "edgekit-trust", "edgekit-permit"
MAX_TRUST_BYTES = 256 << 10
MAX_SIGNERS, MAX_REVOKED, MAX_SIGNATURES = 64, 1024, 16
DAY_S = 86_400
WARN_DAYS, MAX_DAYS, EXPIRES_DAYS = 75, 90, 180
"""How old a key is when devices warn, when they refuse it, and how long a version of a trust file counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """A key that may sign, or once might."""

    name: str
    """Whose it is: `ann@desk`. For people alone; the key is what counts."""
    key: str
    """`ssh-ed25519 AAAA...`, as in a .pub file, without a comment."""
    since_s: int
    """When it began to count, in seconds since the epoch."""
    until_s: int = field(default=0, metadata=MUST_UNDERSTAND)
    """When it was retired; 0: it is in use. What a retired key signed may be gone back to, and no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustPolicy:
    """What a fleet's devices refuse although it is signed."""

    no_dirty: bool = field(default=False, metadata=MUST_UNDERSTAND)
    """Releases whose source had changes that are in no commit, or whose commit nobody knows."""
    deny: tuple[str, ...] = field(default=(), metadata=MUST_UNDERSTAND)
    """Packages: `evil`, `numpy<2.2.5`, `numpy>=2,<2.2.5`."""
    min_agreement: float = field(default=0.0, metadata=MUST_UNDERSTAND)
    """Least cosine between what a compiled engine and its float model answered. 0: not asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustDocument(Message):
    """One version of a fleet's trust."""

    version: int
    fleet: str = field(default="", metadata=MUST_UNDERSTAND)
    """The fleet's name, which its devices know; empty where it has none."""
    issued_s: int
    """When it was made. No device's time runs below it."""
    expires_s: int
    """When it counts no more: somebody may have kept the next version away."""
    threshold: int = field(default=1, metadata=MUST_UNDERSTAND)
    """How many different keys have to sign."""
    keys: tuple[TrustedKey, ...]
    revoked_keys: tuple[str, ...] = field(default=(), metadata=MUST_UNDERSTAND)
    """Fingerprints. Nothing that they signed counts, whenever it was."""
    revoked_releases: tuple[str, ...] = field(default=(), metadata=MUST_UNDERSTAND)
    """Digests."""
    warn_days: int = WARN_DAYS
    max_days: int = field(default=MAX_DAYS, metadata=MUST_UNDERSTAND)
    policy: TrustPolicy = TrustPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class DowngradePermit(Message):
    """Lets one device take one release that is older than what it had."""

    device: str
    fleet: str = ""
    application: str
    digest: str
    issued_s: int
    until_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceIdentity(Message):
    """`device.json`: what a device was told it is when it was provisioned."""

    name: str = ""
    fleet: str = ""
    target: str = ""
    """As fleet.toml says; empty where it leaves that to the board."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedDocument:
    """What was signed and by what, before anything of it is believed."""

    signed: dict[str, Any]
    signatures: tuple[str, ...] = ()

    @property
    def message(self) -> bytes:
        """The bytes that signatures are over."""
        return canonical_bytes(self.signed)

    def to_bytes(self) -> bytes:
        """As it lies in a file and travels."""
        raw = {"signed": self.signed, "signatures": list(self.signatures)}
        return (json.dumps(raw, indent=2, sort_keys=True) + "\n").encode()


D = TypeVar("D", bound=Message)


def canonical_bytes(signed: dict[str, Any]) -> bytes:
    """The one way to write a JSON object: sorted keys, no blanks, ASCII."""
    return json.dumps(signed, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def unsigned(document: Message) -> SignedDocument:
    """A document that nobody has signed yet."""
    return SignedDocument(signed=to_message_data(document))


def parse_signed(data: bytes, what: str) -> SignedDocument:
    """Take a signed document apart; nothing of it is believed yet.

    Args:
        data: a file's content.
        what: names it in messages: `the trust file`.

    Raises:
        TrustError: it is too large, damaged or no such thing.
    """
    hint = "send it again from where it was made: edgekit deploy"
    if len(data) > MAX_TRUST_BYTES:
        raise TrustError(f"{what} is too large: {len(data)} bytes", hint=hint)
    try:
        raw = json.loads(data)
        signed, signatures = raw["signed"], raw["signatures"]
        if not isinstance(signed, dict) or not isinstance(signatures, list):
            raise TypeError("no object")
        if not all(isinstance(one, str) for one in signatures) or len(signatures) > MAX_SIGNATURES:
            raise TypeError("signatures are no list of texts")
        canonical_bytes(signed)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TrustError(f"{what} is damaged", hint=hint, details=f"{type(error).__name__}: {error}") from None
    return SignedDocument(signed=signed, signatures=tuple(signatures))


def read_document(cls: type[D], document: SignedDocument, what: str) -> D:
    """What a document says. Whoever asks has its signatures checked too.

    Raises:
        TrustError: it is of another kind, or says something that must be understood and is not.
    """
    try:
        return from_message_data(cls, document.signed, what)
    except InputError as error:
        hint = "provision the device with the edgekit that made it"
        raise TrustError(f"this edgekit cannot read {error.message}", hint=hint, details=error.details) from None
