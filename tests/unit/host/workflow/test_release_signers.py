"""Everybody who has signed a release is named, with whether the fleet's devices will count them. Real keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.host.keys import make_key
from edgekit.host.release.folder import open_release
from edgekit.host.workflow.cosign import cosign_release
from edgekit.host.workflow.release_signers import ReleaseSigners, signers_of
from edgekit.host.workflow.trust import add_signer, begin_trust
from edgekit.host.workflow.trust_change import chain_of
from edgekit.host.workflow.trust_rules import revoke, set_threshold
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.trust import sign
from tests.fakes.releases import make_release, write_release
from tests.fakes.trusted_people import Person
from tests.fakes.workstations import workstation_in


@pytest.fixture
def station(tmp_path: Path) -> Workstation:
    """Ann's, who has a key."""
    station = workstation_in(tmp_path / "home")
    make_key(station.settings, station.executor, principal="ann@desk")
    return station


@pytest.fixture
def bob(tmp_path: Path) -> Person:
    return Person(tmp_path, "bob")


@pytest.fixture
def release(tmp_path: Path, station: Workstation, bob: Person) -> Path:
    """One that both have signed."""

    def by_ann(message: bytes) -> bytes:
        return sign(station.executor, message, key=station.settings.signing_key, namespace=SIGNATURE_NAMESPACE)

    release = write_release(make_release(sign=by_ann), tmp_path / "release")
    cosign_release(release, bob.file, station)
    return release


def found(release: Path, station: Workstation) -> ReleaseSigners:
    return signers_of(open_release(release), station.settings.allowed_signers, station)


def trust_both(tmp_path: Path, station: Workstation, bob: Person, needed: int) -> None:
    begin_trust(station)
    (tmp_path / "line").write_text(f"bob@lab {bob.public}\n")
    add_signer(station, tmp_path / "line")
    if needed > 1:
        set_threshold(station, needed)
        chain_of(station).add_signature(3, bob.file)


def test_without_a_trust_file_who_is_known_here_counts(release: Path, station: Workstation, bob: Person) -> None:
    seen = found(release, station)
    assert [(one.name, bool(one.refused)) for one in seen.signers] == [("ann@desk", False), ("", True)]
    assert (seen.needed, seen.counting) == (0, 1)
    ann, other = seen.lines()
    assert ann == f"signed by ann@desk, {seen.signers[0].fingerprint}"
    assert other.startswith(f"signed by somebody unknown, {bob.fingerprint}: does not count: the release is not signed")


def test_both_are_named_and_counted_for_the_threshold(
    release: Path, station: Workstation, bob: Person, tmp_path: Path
) -> None:
    trust_both(tmp_path, station, bob, 2)
    seen = found(release, station)
    assert [bool(one.name) for one in seen.signers] == [True, True] and seen.signers[1].name == "bob@lab"
    assert (seen.needed, seen.counting) == (2, 2)
    assert seen.lines()[-1] == "2 of 2 keys that the fleet's devices ask for: enough"


def test_a_key_that_is_revoked_does_not_count(release: Path, station: Workstation, bob: Person, tmp_path: Path) -> None:
    trust_both(tmp_path, station, bob, 1)
    revoke(station, bob.fingerprint)
    seen = found(release, station)
    assert (seen.needed, seen.counting) == (1, 1)
    assert f"key {bob.fingerprint} is revoked" in seen.lines()[1]


def test_a_signature_over_something_else_does_not_count(
    release: Path, station: Workstation, bob: Person, tmp_path: Path
) -> None:
    trust_both(tmp_path, station, bob, 2)
    file = release / "manifest.json.sig"
    own = file.read_bytes().partition(b"-----END SSH SIGNATURE-----")
    file.write_bytes(own[0] + own[1] + b"\n" + bob.sign(b"another manifest") + bob.sign(b"another manifest"))
    seen = found(release, station)
    assert (len(seen.signers), seen.counting) == (2, 1)
    assert seen.lines()[1].endswith("does not count: it is not over this manifest")
    assert seen.lines()[2].startswith("1 of 2 keys that the fleet's devices ask for: not enough: ")
