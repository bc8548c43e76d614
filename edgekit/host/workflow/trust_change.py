"""A fleet's trust file on this machine: its newest version, how people see it, and how a next one is made of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.errors import InputError, TrustError
from edgekit.host.keys import public_half
from edgekit.host.link.inventory import read_inventory
from edgekit.host.trust_chain import TrustChain, TrustLink
from edgekit.host.workflow.workstation import Workstation
from edgekit.judging.keys import active_keys, by_fingerprint, end_of, fingerprint_of
from edgekit.schema.trust import DAY_S, EXPIRES_DAYS, TrustDocument, TrustPolicy
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
    you_signed: bool
    revoked_keys: tuple[str, ...]
    revoked_releases: tuple[str, ...]
    warn_days: int
    max_days: int
    policy: TrustPolicy


def chain_of(station: Workstation) -> TrustChain:
    """The trust file of the fleet that this folder's fleet.toml describes, or of the user's own devices."""
    return TrustChain(read_inventory(station.settings).trust, station.executor)


def changed(station: Workstation, change: Callable[[TrustDocument], TrustDocument]) -> TrustState:
    """Make a changed version that the user's key signs.

    Raises:
        InputError: there is no trust file, or it does not name the user's key.
        TrustError: the key does not sign, or no device could follow.
    """
    chain = chain_of(station)
    return state_of(station, chain, change_trust(station, chain, change, (station.settings.signing_key,)))


def change_trust(
    station: Workstation, chain: TrustChain, change: Callable[[TrustDocument], TrustDocument], keys: tuple[Path, ...]
) -> TrustLink:
    """Write the newest version changed: one that waits for signatures is replaced, as no device has it."""
    newest = newest_of(chain)
    before = newest.document
    own_key_in(station, before)
    version = before.version if newest.missing and before.version > 1 else before.version + 1
    issued_s = max(int(time.time()), before.issued_s)
    dated = replace(before, version=version, issued_s=issued_s, expires_s=issued_s + EXPIRES_DAYS * DAY_S)
    return chain.write(change(dated), keys)


def newest_of(chain: TrustChain) -> TrustLink:
    """The newest version. Raises InputError where there is none."""
    found = chain.newest()
    if found is None:
        raise InputError(f"{chain.folder} has no trust file", hint="edgekit keys init makes the first version")
    return found


def own_key_in(station: Workstation, document: TrustDocument) -> str:
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


def state_of(station: Workstation, chain: TrustChain, link: TrustLink) -> TrustState:
    """A version as people see it."""
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
        you_signed=own in link.signers,
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
