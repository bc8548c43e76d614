"""Who may sign for a fleet: begins, shows and changes its trust file, each change as a new version that is signed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.errors import InputError, NothingSelected, TrustError
from edgekit.host.keys import make_key, make_key_file, public_half
from edgekit.host.link.inventory import read_inventory
from edgekit.host.signers import Signer, parse_signers
from edgekit.host.trust_chain import TrustChain, TrustLink
from edgekit.host.user import user_at_machine
from edgekit.host.workflow.workstation import Workstation
from edgekit.judging.keys import active_keys, by_fingerprint, end_of, fingerprint_of
from edgekit.schema.trust import DAY_S, EXPIRES_DAYS, TrustDocument, TrustedKey, TrustPolicy
from edgekit.schema.units import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """A key in a trust file, as people see it."""

    name: str
    fingerprint: str
    state: str
    """`in use`, `retired` or `revoked`; else why it is soon, or already, refused for its age, and the cure."""
    age_days: int
    you: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustState:
    """A fleet's trust file, as people see it."""

    folder: str
    version: int
    fleet: str
    threshold: int
    expires_days: int
    keys: tuple[KeyState, ...]
    signed_by: tuple[str, ...]
    missing: int
    """How many more signatures it needs before devices take it."""
    revoked_keys: tuple[str, ...]
    revoked_releases: tuple[str, ...]
    warn_days: int
    max_days: int
    policy: TrustPolicy


def chain_of(station: Workstation) -> TrustChain:
    """The trust file of the fleet that this folder's fleet.toml describes, or of the user's own devices."""
    return TrustChain(read_inventory(station.settings).trust, station.executor)


def begin_trust(station: Workstation) -> TrustLink | None:
    """Make a trust file's first version, where there is none: whoever is in the allowed_signers file may sign.

    A fleet whose file does not name the user, or says what only OpenSSH understands (certificates, dates), keeps that
    file: its devices go by it.

    Returns:
        The newest version; None where there is none.

    Raises:
        InputError: the file that fleet.toml names is none.
        TrustError: the user's key does not sign.
    """
    inventory = read_inventory(station.settings)
    chain = TrustChain(inventory.trust, station.executor)
    there = chain.newest()
    if there is not None:
        return there
    now_s = int(time.time())
    own = public_half(station.settings.signing_key, station.executor)
    keys = {fingerprint_of(own): _key(user_at_machine(), own, now_s)}
    file = inventory.allowed_signers
    if file is not None and file.is_file():
        listed = parse_signers(file.read_bytes(), str(file))
        if any(one.authority or one.valid_after_s or one.valid_before_s for one in listed):
            return None
        keys = _listed_keys(listed, now_s, now_s)
        if fingerprint_of(own) not in keys:
            return None
    document = TrustDocument(
        version=1,
        fleet=inventory.fleet,
        issued_s=now_s,
        expires_s=now_s + EXPIRES_DAYS * DAY_S,
        keys=tuple(keys.values()),
    )
    return chain.write(document, [station.settings.signing_key])


def show_trust(station: Workstation) -> TrustState:
    """The newest version. Raises InputError where there is none."""
    chain = chain_of(station)
    return _state(station, chain, _newest(chain))


def rotate_key(station: Workstation) -> TrustState:
    """Make a new key in place of the user's own, which is retired: devices follow, as the old one signs for the new.

    In all trust files of this machine's settings that name the key: else it were lost for the other fleets. The old
    private key is removed once devices will take the new one: where others have to sign for that, run it again when
    they have. Cut in the middle, it goes on where it was.

    Raises:
        InputError: there is no trust file, or it does not name the user's key.
        TrustError: a key does not sign.
    """
    settings = station.settings
    chain, key = chain_of(station), settings.signing_key
    fresh = key.with_name(f"{key.name}.new")
    make_key_file(fresh, station.executor, principal=user_at_machine())
    public = public_half(fresh, station.executor)
    newest = _with_new_key(station, chain, public, (key, fresh))
    waiting = [chain] if newest.missing else []
    for other in _other_chains(station, chain):
        if _with_new_key(station, other, public, (key, fresh)).missing:
            waiting.append(other)
    for one in waiting:
        station.progress.note(
            f"{one.folder}: others have to sign with edgekit keys sign; then edgekit keys rotate again"
        )
    if waiting:
        return _state(station, chain, newest)
    with contextlib.suppress(FileNotFoundError):  # the last try was cut behind this step
        fresh.with_name(f"{fresh.name}.pub").replace(key.with_name(f"{key.name}.pub"))
    fresh.replace(key)
    make_key(settings, station.executor, principal=user_at_machine())
    return _state(station, chain, newest)


def _other_chains(station: Workstation, chain: TrustChain) -> Iterator[TrustChain]:
    """Trust files of the user's other fleets, which name the user's key."""
    own = fingerprint_of(public_half(station.settings.signing_key, station.executor))
    folder = station.settings.trust_dir
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        other = TrustChain(path, station.executor)
        newest = other.newest() if path != chain.folder else None
        if newest is not None and own in active_keys(newest.document):
            yield other


def _with_new_key(station: Workstation, chain: TrustChain, public: str, keys: tuple[Path, Path]) -> TrustLink:
    """The newest version, which names a new key in place of the user's own."""
    newest = _newest(chain)
    if fingerprint_of(public) in by_fingerprint(newest.document):
        return newest
    own = _own(station, newest.document)

    def change(document: TrustDocument) -> TrustDocument:
        kept = [
            replace(one, until_s=document.issued_s) if fingerprint_of(one.key) == own else one for one in document.keys
        ]
        return replace(document, keys=(*kept, _key(user_at_machine(), public, document.issued_s)))

    return _change(station, chain, change, keys)


def add_signer(station: Workstation, file: Path) -> TrustState:
    """Let others sign too: everybody in an allowed_signers file who may sign releases now. Raises as `rotate_key`.

    Raises:
        InputError: a line has dates besides, which a trust file cannot keep.
    """
    now_s = time.time()
    listed = parse_signers(file.read_bytes(), str(file))
    for one in listed:
        if not one.why_not(now_s) and (one.valid_after_s or one.valid_before_s):
            raise InputError(
                f"{file}:{one.line}: a trust file keeps no dates, and the key of {one.principals} has one",
                hint="take valid-after and valid-before out; edgekit keys revoke ends what a key may do",
            )

    def change(document: TrustDocument) -> TrustDocument:
        known = by_fingerprint(document)
        found = _listed_keys(listed, now_s, document.issued_s)
        new = [key for fingerprint, key in found.items() if fingerprint not in known]
        if not new:
            raise NothingSelected(f"{file} names nobody who is not there yet", hint="edgekit keys list")
        return replace(document, keys=(*document.keys, *new))

    return _changed(station, change)


def revoke(station: Workstation, what: str) -> TrustState:
    """Have devices refuse everything that a key has ever signed, or one release.

    Args:
        station: this machine.
        what: a fingerprint, the name of somebody with one key, or a release's digest.

    Raises:
        NothingSelected: no such key.
        InputError: nobody could sign any more.
    """

    def change(document: TrustDocument) -> TrustDocument:
        if len(what) == 64 and set(what) <= set("0123456789abcdef"):
            return replace(document, revoked_releases=tuple(dict.fromkeys([*document.revoked_releases, what])))
        found = [one for one, key in by_fingerprint(document).items() if what in (one, key.name)]
        if len(found) != 1:
            many = f"{len(found)} keys are {what}'s" if found else f"there is no key {what}"
            raise NothingSelected(many, hint="edgekit keys list shows fingerprints; give one of them, or a digest")
        after = replace(document, revoked_keys=tuple(dict.fromkeys([*document.revoked_keys, *found])))
        if len(active_keys(after)) < after.threshold:
            raise InputError(
                f"without {what}, {counted(after.threshold, 'key')} had to sign and {len(active_keys(after))} could",
                hint="edgekit keys rotate makes you a new key first; edgekit keys add takes another signer's",
            )
        return after

    return _changed(station, change)


def set_threshold(station: Workstation, count: int) -> TrustState:
    """Set how many different keys have to sign. Raises InputError for more than there are."""

    def change(document: TrustDocument) -> TrustDocument:
        usable = len(active_keys(document))
        if not 1 <= count <= usable:
            raise InputError(
                f"{counted(count, 'key')} cannot have to sign: {usable} can", hint="edgekit keys add takes another's"
            )
        return replace(document, threshold=count)

    return _changed(station, change)


def set_policy(station: Workstation, policy: TrustPolicy, *, warn_days: int | None, max_days: int | None) -> TrustState:
    """Set what devices refuse although it is signed, and how old keys may be. Raises TrustError for what is no rule."""

    def change(document: TrustDocument) -> TrustDocument:
        return replace(
            document,
            policy=policy,
            warn_days=warn_days or min(document.warn_days, max_days or document.max_days),
            max_days=max_days or document.max_days,
        )

    return _changed(station, change)


def renew(station: Workstation) -> TrustState:
    """Make a new version with the same content, that counts as long as a new one does."""
    return _changed(station, lambda document: document)


def add_own_signature(station: Workstation) -> TrustState:
    """Sign the newest version with the user's key, where it needs more signatures. Raises as `rotate_key`."""
    chain = chain_of(station)
    newest = _newest(chain)
    _own(station, newest.document)
    return _state(station, chain, chain.add_signature(newest.document.version, station.settings.signing_key))


def _changed(station: Workstation, change: Callable[[TrustDocument], TrustDocument]) -> TrustState:
    chain = chain_of(station)
    return _state(station, chain, _change(station, chain, change, (station.settings.signing_key,)))


def _change(
    station: Workstation, chain: TrustChain, change: Callable[[TrustDocument], TrustDocument], keys: tuple[Path, ...]
) -> TrustLink:
    """Write the newest version changed: one that waits for signatures is replaced, as no device has it."""
    newest = _newest(chain)
    before = newest.document
    _own(station, before)
    version = before.version if newest.missing and before.version > 1 else before.version + 1
    issued_s = max(int(time.time()), before.issued_s)
    dated = replace(before, version=version, issued_s=issued_s, expires_s=issued_s + EXPIRES_DAYS * DAY_S)
    return chain.write(change(dated), keys)


def _newest(chain: TrustChain) -> TrustLink:
    found = chain.newest()
    if found is None:
        raise InputError(f"{chain.folder} has no trust file", hint="edgekit keys init makes the first version")
    return found


def _own(station: Workstation, document: TrustDocument) -> str:
    """The fingerprint of the user's key. Raises where a version that it signs would not be followed."""
    key = station.settings.signing_key
    if not key.is_file():
        raise TrustError(f"{key} is not there", hint="edgekit keys init makes a signing key")
    own = fingerprint_of(public_half(key, station.executor))
    if own not in active_keys(document):
        raise InputError(
            f"your key {own} is not in use in version {document.version} of the trust file",
            hint="edgekit keys show > FILE, and somebody whom edgekit keys list shows adds it: edgekit keys add FILE",
        )
    return own


def _key(name: str, public: str, since_s: int) -> TrustedKey:
    return TrustedKey(name=name, key=" ".join(public.split()[:2]), since_s=since_s)


def _listed_keys(listed: Iterable[Signer], now_s: float, since_s: int) -> dict[str, TrustedKey]:
    """By fingerprint, the keys of those who may sign releases now: a key on two lines is one."""
    return {
        one.fingerprint: _key(one.principals, f"{one.key_type} {one.public}", since_s)
        for one in listed
        if not one.why_not(now_s)
    }


def _state(station: Workstation, chain: TrustChain, link: TrustLink) -> TrustState:
    document, now_s = link.document, time.time()
    key = station.settings.signing_key
    own = fingerprint_of(public_half(key, station.executor)) if key.is_file() else ""
    names = {one: found.name for one, found in by_fingerprint(document).items()}
    return TrustState(
        folder=str(chain.folder),
        version=document.version,
        fleet=document.fleet,
        threshold=document.threshold,
        expires_days=int((document.expires_s - now_s) // DAY_S),
        keys=tuple(_key_states(document, own, now_s)),
        signed_by=tuple(sorted(names.get(one, one) for one in link.signers)),
        missing=link.missing,
        revoked_keys=document.revoked_keys,
        revoked_releases=document.revoked_releases,
        warn_days=document.warn_days,
        max_days=document.max_days,
        policy=document.policy,
    )


def _key_states(document: TrustDocument, own: str, now_s: float) -> Iterator[KeyState]:
    for fingerprint, key in by_fingerprint(document).items():
        age_days = max(0, int((now_s - key.since_s) // DAY_S))
        state = "in use"
        if fingerprint in document.revoked_keys:
            state = "revoked"
        elif key.until_s:
            state = "retired"
        elif now_s >= end_of(document, key):
            state = "too old: edgekit keys rotate"
        elif age_days >= document.warn_days:
            state = f"refused in {counted(document.max_days - age_days, 'day')}: edgekit keys rotate"
        yield KeyState(name=key.name, fingerprint=fingerprint, state=state, age_days=age_days, you=fingerprint == own)
