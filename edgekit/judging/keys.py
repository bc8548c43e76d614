"""Judges keys and trust files: which keys count at a time, whether enough have signed, which version follows which."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Collection, Iterable
from datetime import datetime, timezone

from edgekit.errors import Cause, TrustError
from edgekit.judging.packages import check_rule
from edgekit.schema.trust import DAY_S, MAX_REVOKED, MAX_SIGNERS, DowngradePermit, TrustDocument, TrustedKey

MAX_VERSION, MAX_TIME_S = 1 << 31, 1 << 40
_MAX_DAYS = 3650
_OLD = "is older than"
_KEY_TYPE = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]{1,60}")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MAX_PERMIT_S = 7 * DAY_S
_NEW_VERSION = "edgekit keys list shows what is wrong; any other edgekit keys verb makes a new version"


def fingerprint_of(public: str) -> str:
    """A public key's fingerprint, as `ssh-keygen -l` shows it.

    Args:
        public: `ssh-ed25519 AAAA...`, with or without a comment.

    Raises:
        ValueError: it is no public key.
    """
    kind, _, rest = public.partition(" ")
    text = rest.split(" ")[0]
    try:
        blob = base64.b64decode(text, validate=True)
        (length,) = struct.unpack_from(">I", blob)
    except (binascii.Error, struct.error, ValueError):
        raise ValueError("the key is damaged") from None
    if not _KEY_TYPE.fullmatch(kind) or blob[4 : 4 + length] != kind.encode() or len(blob) < 4 + length + 32:
        raise ValueError("the key is damaged, or not of the type that it is said to be")
    if base64.b64encode(blob).decode() != text:  # one key has one text, so that it is not another's
        raise ValueError("the key is not written as OpenSSH writes it")
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def by_fingerprint(document: TrustDocument) -> dict[str, TrustedKey]:
    """Its keys. Raises ValueError where one is damaged: `check_document` has seen to that."""
    return {fingerprint_of(key.key): key for key in document.keys}


def active_keys(document: TrustDocument) -> frozenset[str]:
    """Fingerprints of the keys that are in use: neither retired nor revoked."""
    found = by_fingerprint(document)
    return frozenset(one for one, key in found.items() if not key.until_s and one not in document.revoked_keys)


def end_of(document: TrustDocument, key: TrustedKey) -> int:
    """When a key counts no more, in seconds since the epoch."""
    end_s = key.since_s + document.max_days * DAY_S
    return min(end_s, key.until_s) if key.until_s else end_s


def why_refused(document: TrustDocument, fingerprint: str, time_s: float, *, going_back: bool = False) -> str:
    """Why what this key signed does not count; empty where it does.

    Args:
        document: the trust that is in force.
        fingerprint: of the key.
        time_s: now, as `Clock` has it.
        going_back: it is about a release that the device has committed before: keys that are only old still count, and
            it had as many signatures as were asked for then.
    """
    key = by_fingerprint(document).get(fingerprint)
    if fingerprint in document.revoked_keys:
        return f"key {fingerprint} is revoked"
    if key is None:
        return f"key {fingerprint} is not trusted here"
    if going_back:
        return ""
    if key.until_s:
        return f"key {fingerprint} of {key.name} was retired on {day(key.until_s)}"
    if time_s >= end_of(document, key):
        return f"key {fingerprint} of {key.name} {_OLD} {document.max_days} days"
    return ""


def age_warnings(document: TrustDocument, fingerprints: Iterable[str], time_s: float) -> tuple[str, ...]:
    """What should be said of keys that will soon be refused."""
    found, warnings = by_fingerprint(document), []
    for one in sorted(set(fingerprints) & found.keys()):
        age_days = int((time_s - found[one].since_s) // DAY_S)
        if document.warn_days <= age_days < document.max_days:
            left = document.max_days - age_days
            warnings.append(
                f"key {one} of {found[one].name} is {age_days} days old and is refused in {left}: edgekit keys rotate"
            )
    return tuple(warnings)


def check_enough(
    document: TrustDocument, signed_by: Collection[str], time_s: float, what: str, *, going_back: bool = False
) -> tuple[str, ...]:
    """Return if enough different keys have signed.

    Args:
        document: the trust that is in force.
        signed_by: fingerprints of the keys whose signatures were verified, and of those that are not known here.
        time_s: now.
        what: was signed, for messages: `the release`.
        going_back: see `why_refused`.

    Returns:
        Fingerprints of the keys that counted, sorted.

    Raises:
        TrustError: with a reason for every signature that does not count.
    """
    if not going_back and time_s >= document.expires_s:
        raise TrustError(
            f"the device's trust file counts only until {day(document.expires_s)}, and here it is {day(time_s)}",
            hint="edgekit keys renew makes a new version, which the next deploy brings; a wrong clock is to be set",
            cause="key_age",
        )
    reasons = {one: why_refused(document, one, time_s, going_back=going_back) for one in sorted(set(signed_by))}
    counted = tuple(one for one, reason in reasons.items() if not reason)
    if len(counted) >= (1 if going_back else document.threshold):
        return counted
    why = "; ".join(reason for reason in reasons.values() if reason)
    if counted or not why:
        keys = f"{document.threshold} {'key' if document.threshold == 1 else 'different keys'}"
        message = f"{what} needs the signatures of {keys} and has {len(counted)}" + (f"; {why}" if why else "")
        raise TrustError(message, hint="another signer adds theirs: edgekit release sign RELEASE")
    cause: Cause = "key_age" if _OLD in why else ""
    raise TrustError(f"{what} is refused: {why}", hint=_cure(why), cause=cause)


def _cure(why: str) -> str:
    if _OLD in why:
        return (
            "edgekit keys rotate makes a new key; then build again and deploy. If the device's clock is wrong, set it"
        )
    if "retired" in why:
        return "build the release again: your present key signs it"
    return "sign it with a key that edgekit keys list shows, or have its owner's added: edgekit keys add"


def check_document(document: TrustDocument) -> None:
    """Return if a trust file is one that can be followed.

    Raises:
        TrustError: with what is wrong in it.
    """
    wrong = _first_fault(document)
    if wrong:
        raise TrustError(f"the trust file is refused: {wrong}", hint=_NEW_VERSION)


def _first_fault(document: TrustDocument) -> str:
    if not 1 <= document.version <= MAX_VERSION:
        return f"version {document.version}"
    if not 0 < document.issued_s < document.expires_s <= MAX_TIME_S:
        return "it expires before it begins"
    if not 0 < document.warn_days <= document.max_days <= _MAX_DAYS:
        return f"keys that are to be {document.warn_days} and {document.max_days} days old"
    if len(document.keys) > MAX_SIGNERS or len(document.revoked_keys) + len(document.revoked_releases) > MAX_REVOKED:
        return "it names too many"
    if not all(map(_FINGERPRINT.fullmatch, document.revoked_keys)):
        return "what it revokes is no fingerprint"
    if not all(map(_DIGEST.fullmatch, document.revoked_releases)):
        return "what it revokes is no release's digest"
    if not 0 <= document.policy.min_agreement <= 1:
        return f"a least agreement of {document.policy.min_agreement}"
    return _fault_in_keys(document) or _fault_in_rules(document)


def _fault_in_keys(document: TrustDocument) -> str:
    seen: set[str] = set()
    for key in document.keys:
        try:
            fingerprint = fingerprint_of(key.key)
        except ValueError as error:
            return f"{key.name[:80]!r}: {error}"
        if not key.name.isprintable() or not 0 < len(key.name) <= 200:
            return "a key's owner has no name that can be shown"
        if fingerprint in seen:
            return f"key {fingerprint} is named twice"
        seen.add(fingerprint)
        if not 0 <= key.since_s <= document.issued_s or not 0 <= key.until_s <= document.issued_s:
            return f"key {fingerprint} begins or ends after the file was made"
    usable = len(active_keys(document))
    if not 1 <= document.threshold <= usable:
        return f"{document.threshold} keys have to sign, and {usable} can"
    return ""


def _fault_in_rules(document: TrustDocument) -> str:
    for rule in document.policy.deny:
        try:
            check_rule(rule)
        except ValueError as error:
            return str(error)
    return ""


def missing_signatures(before: TrustDocument | None, after: TrustDocument, signed_by: Collection[str]) -> int:
    """How many more keys have to sign a version before devices take it; `before` is None for the first."""
    both = [document for document in (before, after) if document]
    return max(0, *(document.threshold - len(active_keys(document) & set(signed_by)) for document in both))


def check_successor(before: TrustDocument, after: TrustDocument, signed_by: Collection[str]) -> None:
    """Return if a device with one version may follow to another.

    How old the signing keys are does not matter here, nor what time it is: a device that was away for a year must be
    able to follow. A key that was retired or revoked has no say.

    Args:
        before: what the device has.
        after: what is brought; `check_document` has passed it.
        signed_by: fingerprints of keys whose signatures over `after` were verified.

    Raises:
        TrustError: it is older, another fleet's, or not signed by enough of both.
    """
    if after.version <= before.version:
        raise TrustError(
            f"the trust file is version {after.version}, and the device has version {before.version}",
            hint="take the newest from whoever made it: versions only grow",
        )
    if after.fleet != before.fleet:
        raise TrustError(
            f"the trust file is of fleet {after.fleet!r}, and the device is of {before.fleet!r}",
            hint="edgekit provision DEVICE --replace-trust moves a device to another fleet",
        )
    if after.issued_s < before.issued_s:
        raise TrustError("the trust file was made before the one that the device has", hint=_NEW_VERSION)
    if not set(before.revoked_keys) <= set(after.revoked_keys):
        raise TrustError("the trust file takes back what was revoked", hint=_NEW_VERSION)
    for document, whose in ((before, "the device's present"), (after, "its own")):
        counted = len(active_keys(document) & set(signed_by))
        if counted < document.threshold:
            raise TrustError(
                f"the trust file is signed by {counted} of {whose} keys, and {document.threshold} have to",
                hint="other signers add their signatures: edgekit keys sign",
            )


def check_permit(permit: DowngradePermit, digest: str, device: str, fleet: str, time_s: float) -> None:
    """Return if a permit whose signatures were verified lets this device take this release now.

    Raises:
        TrustError: it is for another device or release, over, or for too long.
    """
    hint = "edgekit deploy RELEASE DEVICE --permit makes one for that device and release"
    if not device or (permit.device, permit.fleet) != (device, fleet):
        named = f"the device is {device}" if device else "the device has no name"
        raise TrustError(f"the permit is for {permit.device}, and {named}", hint=hint)
    if permit.digest != digest:
        raise TrustError(f"the permit is for release {permit.digest[:12]}", hint=hint)
    if not 0 < permit.until_s - permit.issued_s <= _MAX_PERMIT_S:
        raise TrustError("the permit is for longer than a week", hint=hint)
    if time_s >= permit.until_s:
        raise TrustError(f"the permit was good until {day(permit.until_s)}", hint=hint)


def raised_floor(floor_s: int, clock_s: float, signed_s: int, ends_s: int) -> int:
    """The time below which a device's time never runs again, once it has seen something signed.

    What a signer's wrong clock says must not let everybody's keys run out: a device whose own clock has not been lost
    believes it for a day beyond that clock, and another one up to the end of the key that signed.

    Args:
        floor_s: the floor so far.
        clock_s: what the device's clock says.
        signed_s: when it was signed, as the signer says.
        ends_s: when the key that signed counts no more.
    """
    most_s = int(clock_s) + DAY_S if clock_s > floor_s else ends_s - 1
    return max(floor_s, min(signed_s, most_s))


def day(at_s: float) -> str:
    """A time in words: `2026-11-26`."""
    try:
        return datetime.fromtimestamp(at_s, timezone.utc).strftime("%Y-%m-%d")
    except (OverflowError, ValueError, OSError):
        return "a day out of all bounds"
