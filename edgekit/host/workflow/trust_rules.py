"""What a fleet's devices refuse: revoked keys and releases, too few signatures, and what its policy says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.errors import InputError, NothingSelected
from edgekit.host.release.folder import open_release
from edgekit.host.workflow.trust_change import TrustState, changed
from edgekit.host.workflow.workstation import Workstation
from edgekit.judging.keys import active_keys, by_fingerprint
from edgekit.judging.packages import check_rule
from edgekit.schema.trust import TrustDocument, TrustPolicy
from edgekit.schema.units import counted

_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """What is to be different; the rest of a fleet's policy stays as it is."""

    no_dirty: bool | None = None
    deny: tuple[str, ...] = ()
    """Rules for packages to be added."""
    allow: tuple[str, ...] = ()
    """Rules for packages to be taken out, as they are written there."""
    min_agreement: float | None = None
    warn_days: int | None = None
    max_days: int | None = None

    @property
    def changes_something(self) -> bool:
        """Whether anything is asked for at all."""
        return self != PolicyChange()


def revoke(station: Workstation, what: str) -> TrustState:
    """Have devices refuse everything that a key has ever signed, or one release.

    Args:
        station: this machine.
        what: a fingerprint, the name of somebody with one key, a release's digest or its folder.

    Raises:
        NothingSelected: no such key.
        InputError: nobody could sign any more.
    """

    def change(document: TrustDocument) -> TrustDocument:
        found = [one for one, key in by_fingerprint(document).items() if what in (one, key.name)]
        if not found and (digest := _digest(what)):
            return replace(document, revoked_releases=tuple(dict.fromkeys([*document.revoked_releases, digest])))
        if len(found) != 1:
            many = f"{len(found)} keys are {what}'s" if found else f"there is no key {what}"
            raise NothingSelected(
                many, hint="edgekit keys list shows fingerprints; give one of them, a release's folder or whole digest"
            )
        after = replace(document, revoked_keys=tuple(dict.fromkeys([*document.revoked_keys, *found])))
        if len(active_keys(after)) < after.threshold:
            raise InputError(
                f"without {what}, {counted(after.threshold, 'key')} had to sign and {len(active_keys(after))} could",
                hint="edgekit keys rotate makes you a new key first; edgekit keys add takes another signer's",
            )
        return after

    return changed(station, change)


def _digest(what: str) -> str:
    """Of the release that is meant; empty where a key is. Raises InputError for what is shortened, as it is shown."""
    if Path(what).is_dir():
        return open_release(Path(what)).digest
    if len(what) == 64 and set(what) <= _HEX:
        return what
    if 8 <= len(what) < 64 and set(what) <= _HEX:
        raise InputError(
            f"{what} is the beginning of a digest, and another release may begin so too",
            hint="edgekit release show RELEASE and edgekit status DEVICE --json print it whole; or give the folder",
        )
    return ""


def set_threshold(station: Workstation, count: int) -> TrustState:
    """Set how many different keys have to sign. Raises InputError for more than there are."""

    def change(document: TrustDocument) -> TrustDocument:
        usable = len(active_keys(document))
        if not 1 <= count <= usable:
            raise InputError(
                f"{counted(count, 'key')} cannot have to sign: {usable} can", hint="edgekit keys add takes another's"
            )
        return replace(document, threshold=count)

    return changed(station, change)


def set_policy(station: Workstation, wanted: PolicyChange) -> TrustState:
    """Set what devices refuse although it is signed, and how old keys may be. What is not named stays.

    Raises:
        InputError: what is no rule for a package, a rule to be taken out that is not there, or days in a wrong order.
    """
    _check_rules(wanted.deny)

    def change(document: TrustDocument) -> TrustDocument:
        max_days = wanted.max_days or document.max_days
        # Who shortens the one alone means the other no longer than that.
        warn_days = wanted.warn_days or min(document.warn_days, max_days)
        if warn_days > max_days:
            raise InputError(
                f"keys are refused when they are {max_days} days old: warning at {warn_days} comes too late",
                hint=f"give --warn-days less than {max_days}, or --max-days more than {warn_days}",
            )
        return replace(document, policy=_policy(document.policy, wanted), warn_days=warn_days, max_days=max_days)

    return changed(station, change)


def _check_rules(rules: Iterable[str]) -> None:
    for rule in rules:
        try:
            check_rule(rule)
        except ValueError as error:
            raise InputError(f"--deny: {error}", hint='for example --deny "numpy>=2,<2.2.5"') from None


def _policy(before: TrustPolicy, wanted: PolicyChange) -> TrustPolicy:
    for rule in wanted.allow:
        if rule not in before.deny:
            rules = f"the rules are {', '.join(before.deny)}" if before.deny else "no package is denied"
            raise InputError(f"--allow: there is no rule {rule!r}", hint=f"write it as edgekit keys list does: {rules}")
    kept = [rule for rule in (*before.deny, *wanted.deny) if rule not in wanted.allow]
    return replace(
        before,
        no_dirty=before.no_dirty if wanted.no_dirty is None else wanted.no_dirty,
        deny=tuple(dict.fromkeys(kept)),
        min_agreement=before.min_agreement if wanted.min_agreement is None else wanted.min_agreement,
    )
