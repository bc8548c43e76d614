"""Attacks on a board's trust, each by somebody who may speak with its keeper. Keys, files and signatures are real."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.keeper.control.locks import DeploymentLocks
from edgekit.errors import EdgekitError, LockHeld, NothingSelected, TrustError
from edgekit.executor.local import LocalExecutor
from edgekit.schema.message import to_message
from edgekit.schema.provenance import signed_bytes
from edgekit.schema.trust import DeviceIdentity, DowngradePermit
from tests.fakes.drill import (
    People,
    board_of_gates,
    refused,
    release_of,
    resigned,
    stated_by,
    three_people,
)
from tests.fakes.hands import Hands
from tests.fakes.keeper import Bench
from tests.fakes.trusted_people import NOW_S, signed_document, trust_of


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return three_people(tmp_path_factory.mktemp("people"))


@pytest.fixture
def bench(tmp_path: Path, people: People) -> Bench:
    return board_of_gates(tmp_path, people)


def test_who_is_trusted_deploys_goes_forward_and_back(bench: Bench, people: People) -> None:
    one, two = release_of(people.ann), release_of(people.bob, version="2.0.0")
    hands = Hands(bench)
    hands.deploy(one, stated_by(one, people.ann, 1))
    hands.deploy(two, stated_by(two, people.bob, 2))
    assert bench.current == two.digest
    hands.ask("rollback")
    assert bench.current == one.digest
    hands.ask("rollback")
    assert bench.current == two.digest


def test_a_stolen_old_key(bench: Bench, people: People) -> None:
    """Ann's key was stolen after she retired it: it signs no release, no trust file and no permit."""
    committed = release_of(people.ann)
    hands = Hands(bench)
    hands.deploy(committed, stated_by(committed, people.ann))
    other = release_of(people.bob, version="1.1.0")
    hands.deploy(other, stated_by(other, people.bob, 2))
    retired = trust_of(people.ann.key(until_s=NOW_S), people.bob.key(), fleet="gates", version=2)
    hands.ask("trust", signed_document(retired, people.bob))
    bad = release_of(people.ann, version="6.6.6")
    refused(lambda: hands.offer(bad), "retired on")
    grab = trust_of(people.ann.key(), fleet="gates", version=3)
    refused(lambda: hands.ask("trust", signed_document(grab, people.ann)), "signed by 0 of the device's present")
    permit = DowngradePermit(
        device="gate-7", fleet="gates", application="sorter", digest="ab" * 32, issued_s=NOW_S, until_s=NOW_S + 60
    )
    refused(lambda: hands.ask("permit", signed_document(permit, people.ann)), "retired on")
    hands.ask("rollback")  # what she signed in her time is still good to go back to
    assert bench.current == committed.digest
    revoked = trust_of(people.bob.key(), fleet="gates", version=3, revoked_keys=(people.ann.fingerprint,))
    hands.ask("trust", signed_document(revoked, people.bob))
    hands.ask("rollback")
    refused(lambda: hands.ask("rollback"), "revoked")


def test_an_installed_release_that_is_signed_anew_is_taken(bench: Bench, people: People) -> None:
    """After a rotation the same release is built again, and has the same digest: its new signatures count."""
    hands = Hands(bench)
    one, two = release_of(people.ann), release_of(people.bob, version="2.0.0")
    hands.deploy(one, stated_by(one, people.ann, 1))
    hands.deploy(two, stated_by(two, people.bob, 2))
    retired = trust_of(people.ann.key(until_s=NOW_S), people.bob.key(), fleet="gates", version=2)
    hands.ask("trust", signed_document(retired, people.bob))
    refused(lambda: hands.ask("activate", digest=one.digest), "retired on")
    again = replace(one, signature=people.bob.sign(one.manifest_json))
    assert hands.offer(again).counter == 1
    hands.deploy(again, stated_by(again, people.bob, 3))
    assert bench.current == one.digest and bench.releases.counter(one.digest) == 3
    hands.deploy(again, stated_by(again, people.bob, 2))  # an older statement of the release that runs
    assert bench.releases.counter(one.digest) == 3
    both = trust_of(people.ann.key(), people.bob.key(), fleet="gates", version=3, threshold=2)
    hands.ask("trust", signed_document(both, people.ann, people.bob))
    statement, by_bob = stated_by(again, people.bob, 4)
    by_two = replace(one, signature=again.signature + one.signature)
    hands.deploy(by_two, (statement, by_bob + people.ann.sign(signed_bytes(statement))))
    assert bench.current == one.digest


def test_a_replayed_release(bench: Bench, people: People) -> None:
    """Signed, whole, and older than what the board has committed: however it is brought."""
    old, new = release_of(people.ann, version="1.0.0"), release_of(people.ann, version="2.0.0")
    newest = release_of(people.ann, version="3.0.0")
    statement = stated_by(old, people.ann, 10)
    hands = Hands(bench)
    hands.deploy(old, statement)
    hands.deploy(new, stated_by(new, people.ann, 20))
    for act in (
        lambda: hands.deploy(old, statement),
        lambda: hands.deploy(old),
        lambda: hands.ask("activate", digest=old.digest),
    ):
        refused(act, "older than what the device had of sorter|of no fleet|no fleet")
    hands.deploy(newest, stated_by(newest, people.ann, 30))
    hands.ask("remove")
    refused(lambda: hands.deploy(old, statement), "build 10, its floor is 30")  # removing it takes no floor away
    again = Bench(bench.layout.prefix, executor=LocalExecutor())
    again.wall_s = NOW_S
    refused(lambda: Hands(again).deploy(new, stated_by(new, people.ann, 20)), "floor is 30")
    hands.deploy(old, stated_by(old, people.ann, 31))  # its source was built again
    assert bench.current == old.digest


def test_nothing_is_judged_or_kept_while_somebody_else_deploys(bench: Bench, people: People) -> None:
    """A decision that is made before the lock is had would rest on what another deployment then changes."""
    one, two = release_of(people.ann), release_of(people.ann, version="2.0.0")
    Hands(bench).deploy(one, stated_by(one, people.ann, 1))
    Hands(bench).deploy(two, stated_by(two, people.ann, 2))
    floors = bench.layout.floors_file.read_bytes()
    locks = DeploymentLocks()
    Hands(bench, locks).ask("lock", application="sorter", holder="eve@desk")
    for act in (lambda hands: hands.ask("remove"), lambda hands: hands.ask("activate", digest=one.digest)):
        with pytest.raises(LockHeld, match="eve@desk"):
            act(Hands(bench, locks))
    assert bench.layout.floors_file.read_bytes() == floors


def test_a_permit_lets_one_release_of_one_device_back(bench: Bench, people: People) -> None:
    old, new = release_of(people.ann, version="1.0.0"), release_of(people.ann, version="2.0.0")
    statement = stated_by(old, people.ann, 10)
    Hands(bench).deploy(new, stated_by(new, people.ann, 20))
    good = DowngradePermit(
        device="gate-7", fleet="gates", application="sorter", digest=old.digest, issued_s=NOW_S, until_s=NOW_S + 3600
    )
    for change, why in (
        ({"device": "gate-8"}, "for gate-8"),
        ({"fleet": "doors"}, "the permit is for"),
        ({"until_s": NOW_S}, "longer than a week"),
        ({"issued_s": NOW_S - 60, "until_s": NOW_S - 1}, "was good until"),
    ):
        permit = signed_document(replace(good, **change), people.ann)  # type: ignore[arg-type]
        refused(lambda permit=permit: Hands(bench).deploy(old, statement, permit), why)  # type: ignore[misc]
    for digest, application in ((new.digest, "sorter"), (old.digest, "counter")):
        permit = signed_document(replace(good, digest=digest, application=application), people.ann)
        refused(lambda permit=permit: Hands(bench).deploy(old, statement, permit), "for release|older")  # type: ignore[misc]
    refused(lambda: Hands(bench).deploy(old, statement, signed_document(good, people.eve)), "not trusted here")
    refused(lambda: Hands(bench).deploy(old, statement, signed_document(good)), "the permit is not signed")
    Hands(bench).deploy(old, statement, signed_document(good, people.ann))
    assert bench.current == old.digest
    refused(lambda: Hands(bench).deploy(old, stated_by(new, people.ann, 5)), "another release")
    assert bench.releases.trust.floors().counters == {"sorter": 20}


def test_a_mixed_manifest_and_files(bench: Bench, people: People) -> None:
    good = release_of(people.ann)
    hands = Hands(bench)
    for change in ({"application": "counter"}, {"version": "9.9.9"}, {"target": "orin"}):
        mixed = resigned(good, people.ann, **change)
        why = f"plan.json is of {next(iter(change))}"
        refused(lambda mixed=mixed: hands.deploy(mixed, stated_by(mixed, people.ann)), why)  # type: ignore[misc]
    swapped = replace(good, manifest_json=good.manifest_json.replace(b'"1.0.0"', b'"1.0.1"'))
    refused(lambda: hands.offer(swapped), "does not fit the release")
    other = release_of(people.ann, version="1.1.0")
    refused(lambda: (hands.offer(good), hands.state(stated_by(other, people.ann))), "that of another release")
    fresh = release_of(people.ann, version="3.0.0")
    missing = hands.offer(fresh).missing
    assert missing
    with pytest.raises(EdgekitError) as caught:
        for blob in missing:
            hands.ask("chunk", b"x" * len(fresh.blobs[blob.sha256]), sha256=blob.sha256)
        hands.ask("install", digest=fresh.digest)
    assert caught.value.exit_code == TrustError.exit_code
    assert bench.current == "" and not list(bench.layout.releases_dir.iterdir())


def test_another_fleets_and_another_boards_release(bench: Bench, people: People) -> None:
    hands = Hands(bench)
    release = release_of(people.ann)
    for fleet, whose in (("doors", "fleet doors"), ("", "no fleet")):
        statement = stated_by(release, people.ann, fleet=fleet)
        refused(lambda statement=statement: hands.deploy(release, statement), f"for {whose}")  # type: ignore[misc]
    refused(lambda: hands.deploy(release), "for no fleet")  # leaving the statement out helps nobody
    foreign = replace(release.manifest.requires, arch="riscv64")
    refused(lambda: hands.offer(resigned(release, people.ann, requires=foreign)), "is for riscv64")
    identity = DeviceIdentity(name="gate-7", fleet="gates", target="rk3588-debian12")
    bench.layout.identity_file.write_bytes(to_message(identity))
    refused(lambda: hands.offer(release), "target host, and the device is a rk3588-debian12")


def test_a_trust_file_of_an_older_version_and_of_another_fleet(bench: Bench, people: People) -> None:
    hands = Hands(bench)
    keys = (people.ann.key(), people.bob.key())
    first, second, third = (
        signed_document(trust_of(*keys, fleet="gates", version=version, threshold=count), people.ann, people.bob)
        for version, count in ((1, 1), (2, 2), (3, 1))
    )
    assert hands.ask("trust", second) == {"version": 2}
    assert hands.ask("trust", second) == {"version": 2}
    refused(lambda: hands.ask("trust", first), "version 1, and the device has version 2")
    doors = signed_document(trust_of(*keys, fleet="doors", version=9), people.ann, people.bob)
    refused(lambda: hands.ask("trust", doors), "of fleet 'doors'")
    alone = signed_document(trust_of(*keys, fleet="gates", version=3), people.ann)
    refused(lambda: hands.ask("trust", alone), "signed by 1 of the device's present keys, and 2")
    assert hands.ask("trust", third) == {"version": 3}
    assert hands.ask("hello")["trust_version"] == 3


def test_a_threshold_met_by_one_key_under_two_names(bench: Bench, people: People) -> None:
    twice = trust_of(people.ann.key(), replace(people.ann.key(), name="anna"), fleet="gates", version=2, threshold=2)
    refused(lambda: Hands(bench).ask("trust", signed_document(twice, people.ann, people.ann)), "named twice")
    both = trust_of(people.ann.key(), people.bob.key(), fleet="gates", version=2, threshold=2)
    hands = Hands(bench)
    hands.ask("trust", signed_document(both, people.ann, people.bob))
    refused(lambda: hands.offer(release_of(people.ann, people.ann)), "2 different keys and has 1")
    refused(lambda: hands.offer(release_of(people.ann, people.eve)), "2 different keys and has 1")
    good = release_of(people.ann, people.bob)
    statement, by_ann = stated_by(good, people.ann)
    refused(lambda: hands.deploy(good, (statement, by_ann)), "the provenance needs the signatures of 2")
    hands.deploy(good, (statement, by_ann + people.bob.sign(signed_bytes(statement))))
    assert bench.current == good.digest


def test_truncated_everything(bench: Bench, people: People) -> None:
    """Whatever is cut anywhere is refused in one sentence, and what was in force stays."""
    release = release_of(people.ann)
    statement, signature = stated_by(release, people.ann)
    later = signed_document(trust_of(people.ann.key(), fleet="gates", version=2), people.ann)
    permit = signed_document(
        DowngradePermit(device="gate-7", fleet="gates", application="a", digest="ab" * 32, issued_s=1, until_s=2),
        people.ann,
    )
    hands = Hands(bench)
    parts = {
        "manifest": (release.manifest_json, lambda cut: hands.offer(replace(release, manifest_json=cut))),
        "signature": (release.signature, lambda cut: hands.offer(replace(release, signature=cut))),
        "statement": (statement, lambda cut: hands.state((cut, signature))),
        "its signature": (signature, lambda cut: hands.state((statement, cut))),
        "trust file": (later, lambda cut: hands.ask("trust", cut)),
        "permit": (permit, lambda cut: hands.ask("permit", cut)),
    }
    hands.offer(release)
    for whole, bring in parts.values():
        for tenth in range(10):
            cut = whole[: len(whole) * tenth // 10]
            refused(lambda cut=cut, bring=bring: bring(cut), ".")  # type: ignore[misc]
    for raw in (b"[]", b"{}", b'{"signed": 1, "signatures": []}', b'{"signed": {}, "signatures": [1]}', b"[" * 99_999):
        refused(lambda raw=raw: hands.ask("trust", raw), "the trust file is damaged|cannot read")  # type: ignore[misc]
    assert hands.ask("hello")["trust_version"] == 1
    whole = bench.layout.trust_file.read_bytes()
    bench.layout.trust_file.write_bytes(whole[: len(whole) // 2])
    error = refused(lambda: hands.offer(release), "cannot be followed")
    assert "--replace-trust" in error.hint
    bench.layout.identity_file.write_bytes(b"{")
    bench.layout.trust_file.write_bytes(whole)
    refused(lambda: hands.offer(release), "cannot be read")


def test_a_host_with_a_login_and_no_key(bench: Bench, people: People) -> None:
    """It may look, stop and go back. It brings no code, no trust, and no state that outlives its connection."""
    good, better = release_of(people.ann), release_of(people.ann, version="2.0.0")
    hands = Hands(bench)
    hands.deploy(good, stated_by(good, people.ann, 1))
    hands.deploy(better, stated_by(better, people.ann, 2))
    own = release_of(people.eve, version="6.6.6")
    refused(lambda: hands.offer(own), "not trusted here")
    refused(lambda: hands.offer(replace(own, signature=b"")), "is not signed")
    refused(lambda: hands.offer(replace(own, signature=good.signature)), "does not fit")
    with pytest.raises(NothingSelected):
        Hands(bench).ask("activate", digest=own.digest)
    for document in (
        trust_of(people.eve.key(), fleet="gates", version=2),
        trust_of(people.ann.key(), people.eve.key(), fleet="gates", version=2),
    ):
        refused(lambda document=document: hands.ask("trust", signed_document(document, people.eve)), "signed by 0")  # type: ignore[misc]
    forged = json.loads(signed_document(trust_of(people.ann.key(), fleet="gates", version=2), people.ann))
    forged["signed"]["keys"].append({"name": "eve", "key": people.eve.public, "since_s": NOW_S})
    refused(lambda: hands.ask("trust", json.dumps(forged).encode()), "signed by 0")
    wrong_kind = json.loads(signed_document(trust_of(people.ann.key(), fleet="gates", version=2), people.ann))
    wrong_kind["signatures"] = [people.ann.sign(json.dumps(wrong_kind["signed"]).encode()).decode()]
    refused(lambda: hands.ask("trust", json.dumps(wrong_kind).encode()), "signed by 0")
    hands.ask("rollback")
    assert bench.current == good.digest
