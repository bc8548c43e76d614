"""Who may sign for a fleet: begins and shows its trust file, and takes signers in, each time as a new version."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from edgekit.errors import InputError, NothingSelected
from edgekit.host.keys import make_key, make_key_file, public_half
from edgekit.host.link.inventory import read_inventory
from edgekit.host.signers import Signer, parse_signers
from edgekit.host.trust_chain import TrustChain, TrustLink
from edgekit.host.user import user_at_machine
from edgekit.host.workflow.trust_change import (
    TrustState,
    chain_of,
    change_trust,
    changed,
    newest_of,
    own_key_in,
    state_of,
)
from edgekit.host.workflow.workstation import Workstation
from edgekit.judging.keys import active_keys, by_fingerprint, fingerprint_of
from edgekit.schema.trust import DAY_S, EXPIRES_DAYS, TrustDocument, TrustedKey


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
    return state_of(station, chain, newest_of(chain))


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
        return state_of(station, chain, newest)
    with contextlib.suppress(FileNotFoundError):  # the last try was cut behind this step
        fresh.with_name(f"{fresh.name}.pub").replace(key.with_name(f"{key.name}.pub"))
    fresh.replace(key)
    make_key(settings, station.executor, principal=user_at_machine())
    return state_of(station, chain, newest)


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
    newest = newest_of(chain)
    if fingerprint_of(public) in by_fingerprint(newest.document):
        return newest
    own = own_key_in(station, newest.document)

    def change(document: TrustDocument) -> TrustDocument:
        kept = [
            replace(one, until_s=document.issued_s) if fingerprint_of(one.key) == own else one for one in document.keys
        ]
        return replace(document, keys=(*kept, _key(user_at_machine(), public, document.issued_s)))

    return change_trust(station, chain, change, keys)


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

    return changed(station, change)


def renew(station: Workstation) -> TrustState:
    """Make a new version with the same content, that counts as long as a new one does."""
    return changed(station, lambda document: document)


def add_own_signature(station: Workstation) -> TrustState:
    """Sign the newest version with the user's key, where it needs more signatures. Raises as `rotate_key`."""
    chain = chain_of(station)
    newest = newest_of(chain)
    own_key_in(station, newest.document)
    return state_of(station, chain, chain.add_signature(newest.document.version, station.settings.signing_key))


def _key(name: str, public: str, since_s: int) -> TrustedKey:
    return TrustedKey(name=name, key=" ".join(public.split()[:2]), since_s=since_s)


def _listed_keys(listed: Iterable[Signer], now_s: float, since_s: int) -> dict[str, TrustedKey]:
    """By fingerprint, the keys of those who may sign releases now: a key on two lines is one."""
    return {
        one.fingerprint: _key(one.principals, f"{one.key_type} {one.public}", since_s)
        for one in listed
        if not one.why_not(now_s)
    }
