"""What a deployment brings of trust: later versions, permits, later builds; and devices that lie about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import InputError, TrustError
from edgekit.executor.local import LocalExecutor
from edgekit.host.keys import make_key
from edgekit.host.link.client import KeeperClient
from edgekit.host.link.inventory import read_inventory
from edgekit.host.link.outgoing_trust import OutgoingTrust, counter_of
from edgekit.host.release.counter import next_counter
from edgekit.host.release.folder import open_release
from edgekit.host.workflow.cosign import cosign_release
from edgekit.host.workflow.deploy_plan import KeeperQuestions
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.host.workflow.permit import make_permit, trust_for
from edgekit.host.workflow.trust import add_signer, begin_trust
from edgekit.host.workflow.trust_change import chain_of
from edgekit.host.workflow.trust_rules import set_threshold
from edgekit.schema.control import Event, Request
from edgekit.schema.fleet import Device
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.schema.message import to_message
from edgekit.schema.trust import DeviceIdentity
from edgekit.trust import fingerprint, sign, split_signatures
from tests.fakes.hands import Hands
from tests.fakes.keeper import Bench
from tests.fakes.keeper_link import FakeLink
from tests.fakes.notes import Notes
from tests.fakes.releases import make_plan, make_release, write_release
from tests.fakes.trusted_people import Person, stated
from tests.fakes.workstations import workstation_in

GATE = Device(name="gate-7", address="root@gate-7")


class TrustingLink(FakeLink):
    """A device that keeps what it is brought."""

    def answer(self, request: Request, payload: bytes) -> list[Event]:
        """See `FakeLink.answer`."""
        events = super().answer(request, payload)
        if request.verb in ("trust", "permit"):
            self.blobs[f"{request.verb} {len(self.blobs)}"] = payload
        return events


def versions_after(version: int) -> tuple[bytes, ...]:
    return tuple(b"version %d" % number for number in range(version + 1, 4))


HERE = OutgoingTrust(after=versions_after, newest_version=lambda: 3, permit=b"permit")


@pytest.mark.parametrize(
    ("says", "brought", "told"),
    [(1, [b"version 2", b"version 3"], False), (3, [], False), (0, [], False), (99, [], True)],
)
def test_a_device_is_brought_what_it_lacks(says: int, brought: list[bytes], told: bool) -> None:
    """One without a trust file is given none by a deployment; one that claims to be ahead is only told of."""
    link, notes = TrustingLink(trust_version=says), Notes()
    with KeeperClient(GATE, link) as keeper:
        HERE.bring(keeper, "gate-7", notes)
    assert list(link.blobs.values()) == brought
    assert bool(notes.notes) == told and (not told or "says it has version 99" in notes.notes[0])


def test_an_older_keeper_is_brought_nothing_and_takes_no_permit() -> None:
    link = TrustingLink(features=("zlib",), trust_version=1)
    with KeeperClient(GATE, link) as keeper:
        HERE.bring(keeper, "gate-7", Notes())
        with pytest.raises(InputError, match="cannot take permits") as caught:
            HERE.bring_permit(keeper)
    assert caught.value.hint == "edgekit provision gate-7" and link.blobs == {}


def test_a_permit_that_the_host_makes_is_taken_by_that_device(tmp_path: Path) -> None:
    """The refusal's hint is followed: with --permit the older release is committed."""
    station = workstation_in(tmp_path / "home")
    make_key(station.settings, station.executor, principal="ann@desk")
    first = begin_trust(station)
    assert first is not None

    def signed(message: bytes) -> bytes:
        return sign(station.executor, message, key=station.settings.signing_key, namespace=SIGNATURE_NAMESPACE)

    made_s = first.document.issued_s
    bench = Bench(tmp_path / "board", executor=LocalExecutor())  # its clock is lost
    bench.layout.identity_file.write_bytes(to_message(DeviceIdentity(name="gate-7")))
    bench.layout.trust_file.write_bytes(first.signed.to_bytes())
    old, new = (make_release(plan=make_plan(version=one), sign=signed) for one in ("1.0.0", "2.0.0"))
    Hands(bench).deploy(new, stated(new.digest, signed, counter=2, at_s=made_s))
    statement = stated(old.digest, signed, counter=1, at_s=made_s)
    with pytest.raises(TrustError, match="older") as caught:
        Hands(bench).deploy(old, statement)
    assert "edgekit deploy RELEASE DEVICE --permit" in caught.value.hint
    folder = open_release(write_release(old, tmp_path / "old"))
    with pytest.raises(TrustError, match="for gate-8"):
        Hands(bench).deploy(old, statement, make_permit(folder, "gate-8", "", station))
    Hands(bench).deploy(old, statement, make_permit(folder, "gate-7", "", station))
    assert bench.current == old.digest


def test_no_permit_is_made_that_a_device_would_refuse(tmp_path: Path) -> None:
    station = workstation_in(tmp_path / "home")
    make_key(station.settings, station.executor, principal="ann@desk")
    begin_trust(station)
    bob = Person(tmp_path, "bob")
    (tmp_path / "line").write_text(f"bob@desk {bob.public}\n")
    add_signer(station, tmp_path / "line")
    inventory, folder = read_inventory(station.settings), open_release(write_release(make_release(), tmp_path / "old"))
    assert trust_for(GATE, inventory, station, permitted=folder).permit
    set_threshold(station, 2)
    chain_of(station).add_signature(3, bob.file)
    with pytest.raises(TrustError, match="2 keys would have to sign a permit") as caught:
        trust_for(GATE, inventory, station, permitted=folder)
    assert "edgekit rollback" in caught.value.hint
    access = DeviceAccess(inventory=replace(inventory, devices={GATE.name: GATE}), connect=lambda _: FakeLink())
    with pytest.raises(TrustError, match="2 keys would have to sign a permit"):
        KeeperQuestions(folder=folder, access=access, station=station, permit=True).ask(GATE.name)
    assert not trust_for(GATE, inventory, station, permitted=None).permit


def test_a_second_signer_adds_theirs_once(tmp_path: Path) -> None:
    ann, bob = Person(tmp_path, "ann"), Person(tmp_path, "bob")
    release = write_release(make_release(sign=ann.sign), tmp_path / "release")
    station = workstation_in(tmp_path / "home")
    for _ in range(2):
        assert cosign_release(release, bob.file, station).signatures == 2
    pieces = split_signatures((release / "manifest.json.sig").read_bytes())
    assert [fingerprint(piece) for piece in pieces] == [ann.fingerprint, bob.fingerprint]


def _change_manifest(release: Path) -> None:
    file = release / "manifest.json"
    file.write_bytes(file.read_bytes().replace(b"sorter", b"sortir"))


def _change_file(release: Path) -> None:
    (release / "files/tool").write_bytes(b"another")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [(_change_manifest, "its manifest is not what SHA256:.* has signed"), (_change_file, "is not what the manifest")],
)
def test_nobody_adds_their_name_to_what_others_have_not_signed(
    spoil: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    ann, bob = Person(tmp_path, "ann"), Person(tmp_path, "bob")
    release = write_release(make_release(sign=ann.sign), tmp_path / "release")
    spoil(release)
    before = (release / "manifest.json.sig").read_bytes()
    with pytest.raises(TrustError, match=message):
        cosign_release(release, bob.file, workstation_in(tmp_path / "home"))
    assert (release / "manifest.json.sig").read_bytes() == before


def test_a_key_that_is_not_there_is_a_wrong_argument(tmp_path: Path) -> None:
    release = write_release(make_release(), tmp_path / "release")
    with pytest.raises(InputError, match=r"--key: .*nope is not there"):
        cosign_release(release, tmp_path / "nope", workstation_in(tmp_path / "home"))


def test_builds_are_numbered_whatever_the_clock_does(tmp_path: Path) -> None:
    folder = tmp_path / "counters"
    assert [next_counter(folder, "line", now_s) for now_s in (100, 100, 50, 300)] == [100, 101, 102, 300]
    assert next_counter(folder, "gate", 7) == 7
    (folder / "line").write_bytes(b"rubbish")
    assert next_counter(folder, "line", 400) == 400
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written") as caught:
        next_counter(tmp_path / "file", "line", 1)
    assert caught.value.hint.startswith("ls -ld")


def test_what_a_statement_says_of_its_counter() -> None:
    statement, _ = stated("ab" * 32, lambda message: message, counter=5)
    assert counter_of(statement) == 5
    assert [counter_of(text) for text in (b"", b"{}", b"[]", b'{"predicate": 1}')] == [0, 0, 0, 0]
