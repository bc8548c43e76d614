"""Which keys count when, whether enough signed, and which trust file may follow which: in tables, and for any time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import TrustError
from edgekit.judging.keys import (
    active_keys,
    age_warnings,
    check_document,
    check_enough,
    check_permit,
    check_successor,
    end_of,
    fingerprint_of,
    missing_signatures,
    raised_floor,
    why_refused,
)
from edgekit.schema.trust import DAY_S, DowngradePermit, TrustDocument, TrustedKey, TrustPolicy
from tests.fakes.public_keys import public_key

NOW_S = 1_800_000_000
ANN, BOB, EVE = (public_key(name) for name in ("ann", "bob", "eve"))
ANNS, BOBS, EVES = map(fingerprint_of, (ANN, BOB, EVE))
ANN_KEY, BOB_KEY = (TrustedKey(name=name, key=key, since_s=NOW_S) for name, key in (("ann", ANN), ("bob", BOB)))
FIRST = TrustDocument(version=1, issued_s=NOW_S, expires_s=NOW_S + 180 * DAY_S, keys=(ANN_KEY, BOB_KEY))


@pytest.mark.parametrize(
    ("age_days", "reason", "warns"),
    [(0, "", False), (74, "", False), (75, "", True), (89, "", True), (90, "older than 90 days", False)],
)
def test_a_key_warns_and_then_counts_no_more(age_days: int, reason: str, warns: bool) -> None:
    at_s = NOW_S + age_days * DAY_S
    assert reason in why_refused(FIRST, ANNS, at_s) and bool(reason) == bool(why_refused(FIRST, ANNS, at_s))
    assert bool(age_warnings(FIRST, [ANNS], at_s)) == warns


def test_days_are_the_fleets_own() -> None:
    short = replace(FIRST, warn_days=5, max_days=10)
    assert age_warnings(short, [ANNS], NOW_S + 6 * DAY_S) and why_refused(short, ANNS, NOW_S + 10 * DAY_S)


@pytest.mark.parametrize(
    ("threshold", "signed_by", "why"),
    [
        (1, [], "needs the signatures of 1 key and has 0"),
        (1, [EVES], "is not trusted here"),
        (2, [ANNS], "2 different keys and has 1"),
        (2, [ANNS, ANNS], "2 different keys and has 1"),
        (2, [ANNS, EVES], "2 different keys and has 1"),
        (2, [ANNS, BOBS], ""),
        (1, [ANNS, EVES], ""),
    ],
)
def test_enough_different_keys(threshold: int, signed_by: list[str], why: str) -> None:
    document = replace(FIRST, threshold=threshold)
    if not why:
        assert set(check_enough(document, signed_by, NOW_S, "the release")) == set(signed_by) - {EVES}
        return
    with pytest.raises(TrustError, match=why):
        check_enough(document, signed_by, NOW_S, "the release")


def test_what_was_retired_may_be_gone_back_to_and_what_was_revoked_not() -> None:
    retired = replace(FIRST, keys=(replace(ANN_KEY, until_s=NOW_S), BOB_KEY))
    with pytest.raises(TrustError, match="retired on 2027-01-15"):
        check_enough(retired, [ANNS], NOW_S, "the release")
    assert check_enough(retired, [ANNS], NOW_S + 400 * DAY_S, "the release", going_back=True) == (ANNS,)
    stricter = replace(FIRST, threshold=2)
    with pytest.raises(TrustError, match="needs the signatures of 2 different keys and has 1"):
        check_enough(stricter, [ANNS], NOW_S, "the release")
    assert check_enough(stricter, [ANNS], NOW_S, "the release", going_back=True) == (ANNS,)
    revoked = replace(FIRST, revoked_keys=(ANNS,))
    for going_back in (False, True):
        with pytest.raises(TrustError, match="revoked"):
            check_enough(revoked, [ANNS], NOW_S, "the release", going_back=going_back)
    assert active_keys(retired) == active_keys(revoked) == {BOBS}


def test_a_trust_file_that_nobody_renewed_lets_nothing_in() -> None:
    with pytest.raises(TrustError, match="counts only until") as caught:
        check_enough(replace(FIRST, max_days=400), [ANNS], FIRST.expires_s, "the release")
    assert "edgekit keys renew" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 0}, "version 0"),
        ({"expires_s": NOW_S}, "expires before"),
        ({"threshold": 0}, "0 keys have to sign"),
        ({"threshold": 3}, "3 keys have to sign, and 2 can"),
        ({"keys": ()}, "and 0 can"),
        ({"keys": (ANN_KEY, replace(ANN_KEY, name="ann again"))}, "named twice"),
        ({"keys": (replace(ANN_KEY, key=ANN + "="),)}, "ann"),
        ({"keys": (replace(ANN_KEY, key="ssh-ed25519 AAAA"),)}, "damaged"),
        ({"keys": (replace(ANN_KEY, since_s=NOW_S + 1),)}, "begins or ends after"),
        ({"keys": (replace(ANN_KEY, name="a\x1bn"),)}, "no name that can be shown"),
        ({"revoked_keys": ("SHA256:short",)}, "no fingerprint"),
        ({"revoked_keys": (ANNS, BOBS)}, "and 0 can"),
        ({"revoked_releases": ("AB" * 32,)}, "no release's digest"),
        ({"warn_days": 91}, "91 and 90 days"),
        ({"policy": TrustPolicy(deny=("numpy <",))}, "no rule for a package"),
        ({"policy": TrustPolicy(min_agreement=1.5)}, "least agreement"),
        ({"keys": tuple(replace(ANN_KEY, name=str(number)) for number in range(65))}, "too many"),
    ],
)
def test_a_file_that_cannot_be_followed(change: dict[str, object], why: str) -> None:
    check_document(FIRST)
    with pytest.raises(TrustError, match=why):
        check_document(replace(FIRST, **change))  # type: ignore[arg-type]


SECOND = replace(FIRST, version=2, issued_s=NOW_S + DAY_S)


@pytest.mark.parametrize(
    ("before", "after", "signed_by", "why"),
    [
        (FIRST, SECOND, {ANNS}, ""),
        (FIRST, replace(SECOND, version=9), {BOBS}, ""),
        (SECOND, FIRST, {ANNS, BOBS}, "versions only grow|version 1, and the device has version 2"),
        (FIRST, replace(SECOND, fleet="other"), {ANNS}, "of fleet 'other'"),
        (FIRST, replace(SECOND, issued_s=NOW_S - 1), {ANNS}, "made before"),
        (FIRST, SECOND, {EVES}, "signed by 0 of the device's present keys"),
        (FIRST, SECOND, set(), "signed by 0 of the device's present keys"),
        (replace(FIRST, threshold=2), SECOND, {ANNS}, "signed by 1 of the device's present keys, and 2"),
        (FIRST, replace(SECOND, threshold=2), {ANNS}, "signed by 1 of its own keys, and 2"),
        (FIRST, replace(SECOND, keys=(replace(ANN_KEY, key=EVE),)), {ANNS}, "signed by 0 of its own keys"),
        (FIRST, replace(SECOND, keys=(replace(ANN_KEY, key=EVE),)), {ANNS, EVES}, ""),
        (
            replace(FIRST, keys=(replace(ANN_KEY, until_s=NOW_S), BOB_KEY)),
            SECOND,
            {ANNS},
            "signed by 0 of the device's",
        ),
        (replace(FIRST, revoked_keys=(ANNS,)), replace(SECOND, revoked_keys=(ANNS,)), {ANNS}, "signed by 0"),
        (replace(FIRST, revoked_keys=(ANNS,)), SECOND, {BOBS}, "takes back what was revoked"),
    ],
)
def test_which_version_follows_which(
    before: TrustDocument, after: TrustDocument, signed_by: set[str], why: str
) -> None:
    if not why:
        check_successor(before, after, signed_by)
        assert missing_signatures(before, after, signed_by) == 0
        return
    with pytest.raises(TrustError, match=why):
        check_successor(before, after, signed_by)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"device": "gate-8"}, "the permit is for gate-8"),
        ({"fleet": "north"}, "the permit is for"),
        ({"digest": "cd" * 32}, "for release cdcdcdcdcdcd"),
        ({"until_s": NOW_S}, "no|longer than a week|was good until"),
        ({"until_s": NOW_S + 8 * DAY_S}, "longer than a week"),
    ],
)
def test_a_permit_is_for_one_device_one_release_and_a_while(change: dict[str, object], why: str) -> None:
    permit = DowngradePermit(device="gate-7", application="a", digest="ab" * 32, issued_s=NOW_S, until_s=NOW_S + 60)
    permit = replace(permit, **change)  # type: ignore[arg-type]
    if not why:
        check_permit(permit, "ab" * 32, "gate-7", "", NOW_S)
        with pytest.raises(TrustError, match="was good until"):
            check_permit(permit, "ab" * 32, "gate-7", "", NOW_S + 60)
        with pytest.raises(TrustError, match="has no name"):
            check_permit(replace(permit, device=""), "ab" * 32, "", "", NOW_S)
        return
    with pytest.raises(TrustError, match=why):
        check_permit(permit, "ab" * 32, "gate-7", "", NOW_S)


moments = st.integers(0, 1 << 40)


@given(clock_s=moments, since_days=st.integers(0, 3000), seen=st.lists(st.tuples(moments, moments), max_size=8))
def test_no_clock_locks_a_fresh_key_out_nor_lets_an_old_one_in(
    clock_s: int, since_days: int, seen: list[tuple[int, int]]
) -> None:
    """Whatever a lost clock said and signers claimed: a key made at the true time counts once its file is there."""
    floor_s = NOW_S
    for claimed_s, clock_then_s in seen:  # a board without a clock has been given things signed by a key in force
        stands_s = clock_then_s % NOW_S  # before what was signed
        floor_s = raised_floor(floor_s, stands_s, claimed_s, end_of(FIRST, ANN_KEY))
    true_s = max(NOW_S + since_days * DAY_S, floor_s)  # the host never issues below what it issued before
    fresh = TrustDocument(
        version=2, issued_s=true_s, expires_s=true_s + 180 * DAY_S, keys=(replace(BOB_KEY, since_s=true_s), ANN_KEY)
    )
    time_s = max(clock_s % (NOW_S + 1), floor_s, fresh.issued_s)
    assert why_refused(fresh, BOBS, time_s) == ""
    assert floor_s < end_of(FIRST, ANN_KEY)
    if true_s >= end_of(fresh, ANN_KEY):
        assert "older than" in why_refused(fresh, ANNS, time_s)


@given(floor_s=moments, clock_s=moments, signed_s=moments, ends_s=moments)
def test_the_floor_never_sinks_and_believes_a_sound_clock(
    floor_s: int, clock_s: int, signed_s: int, ends_s: int
) -> None:
    after_s = raised_floor(floor_s, clock_s, signed_s, ends_s)
    assert floor_s <= after_s <= max(floor_s, signed_s)
    if clock_s > floor_s:
        assert after_s <= clock_s + DAY_S
