"""A fleet's trust file on the workstation: what the verbs make of it, and that boards follow exactly that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import InputError, NothingSelected, TrustError
from edgekit.executor.local import LocalExecutor
from edgekit.host.trust_chain import TrustChain
from edgekit.host.workflow.keys import ensure_key, own_signers
from edgekit.host.workflow.trust import (
    add_own_signature,
    add_signer,
    begin_trust,
    renew,
    rotate_key,
    show_trust,
)
from edgekit.host.workflow.trust_change import chain_of
from edgekit.host.workflow.trust_rules import PolicyChange, revoke, set_policy, set_threshold
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.trust import DAY_S, TrustPolicy
from tests.fakes.keeper import Bench
from tests.fakes.releases import make_release, write_release
from tests.fakes.workstations import workstation_in


def of_fleet(folder: Path, fleet: Path) -> Workstation:
    """Somebody's machine with a key, and the fleet's folder, which they share."""
    station = workstation_in(folder)
    station = replace(station, settings=replace(station.settings, fleet_file=fleet))
    ensure_key(station)
    return station


@pytest.fixture
def ann(tmp_path: Path) -> Workstation:
    (tmp_path / "fleet.toml").write_text('name = "gates"\ntrust = "trust"\n')
    return of_fleet(tmp_path / "ann", tmp_path / "fleet.toml")


@pytest.fixture
def bob(tmp_path: Path, ann: Workstation) -> Workstation:
    return of_fleet(tmp_path / "bob", ann.settings.fleet_file)


def bring(board: Bench, station: Workstation) -> int:
    """What provisioning and each deployment do. Gives the version that the board then goes by."""
    trust, chain = board.releases.trust, chain_of(station)
    if not board.layout.trust_file.exists():
        first = chain.in_force()
        assert first is not None
        board.layout.trust_file.write_bytes(first.signed.to_bytes())
    for data in chain.after(trust.version):
        trust.follow(data)
    return trust.version


@pytest.fixture
def board(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "board", executor=LocalExecutor())


def lines_of(station: Workstation, file: Path) -> Path:
    file.write_text(own_signers(station).allowed_signers + "\n")
    return file


def test_a_key_and_its_trust_file_are_made_once(tmp_path: Path, ann: Workstation) -> None:
    with pytest.raises(InputError, match="has no trust file") as caught:
        show_trust(ann)
    assert caught.value.hint.startswith("edgekit keys init")
    first, again = begin_trust(ann), begin_trust(ann)
    assert first == again and first is not None and first.missing == 0
    found = show_trust(ann)
    assert (found.version, found.fleet, found.threshold, found.folder) == (1, "gates", 1, str(tmp_path / "trust"))
    assert [(key.state, key.you, key.age_days) for key in found.keys] == [("in use", True, 0)]


def test_the_users_own_devices_have_a_file_of_their_own(tmp_path: Path) -> None:
    alone = of_fleet(tmp_path / "me", tmp_path / "none.toml")
    begin_trust(alone)
    assert show_trust(alone).folder == str(alone.settings.config_dir / "trust" / "_")


def test_a_fleets_signers_begin_it_unless_only_openssh_understands_them(
    tmp_path: Path, ann: Workstation, bob: Workstation
) -> None:
    signers = tmp_path / "signers"
    ann.settings.fleet_file.write_text('trust = "trust"\nallowed_signers = "signers"\n')
    lines_of(bob, signers)
    assert begin_trust(ann) is None  # it does not name ann
    both = signers.read_text() + own_signers(ann).allowed_signers + "\n"
    signers.write_text(both.replace("namespaces=", 'valid-before="20990101",namespaces='))
    assert begin_trust(ann) is None
    signers.write_text(both)
    begun = begin_trust(ann)
    assert begun is not None and len(begun.document.keys) == 2


def test_a_board_follows_a_rotation_and_refuses_the_old_key(ann: Workstation, board: Bench) -> None:
    begin_trust(ann)
    assert bring(board, ann) == 1
    before = ann.settings.signing_key.read_bytes()
    after = rotate_key(ann)
    assert ann.settings.signing_key.read_bytes() != before
    assert [(key.state, key.you) for key in after.keys] == [("retired", False), ("in use", True)]
    assert sorted(path.name for path in ann.settings.config_dir.iterdir()) == [
        "allowed_signers",
        "release-key",
        "release-key.pub",
    ]
    assert bring(board, ann) == 2
    rotate_key(ann)
    rotate_key(ann)
    assert bring(board, ann) == 4  # what it missed, one after the other


def test_a_rotation_that_was_cut_goes_on(ann: Workstation) -> None:
    """New key made, or version written too, and then the machine went away: once more does the rest."""
    begin_trust(ann)
    rotate_key(ann)
    key, chain = ann.settings.signing_key, chain_of(ann)
    fresh = key.with_name("release-key.new")
    rotated = chain.newest()
    assert rotated is not None
    saved = {path: path.read_bytes() for path in (key, key.with_name("release-key.pub"))}
    after = rotate_key(ann)
    for path, content in saved.items():  # as it was before the new key took the old one's place
        path.replace(path.with_name(path.name.replace("release-key", "release-key.new")))
        path.write_bytes(content)
        path.chmod(0o600)
    assert rotate_key(ann).version == after.version
    assert not fresh.exists() and next(key for key in show_trust(ann).keys if key.you).state == "in use"


def test_a_rotation_that_was_cut_between_its_two_files_goes_on(ann: Workstation) -> None:
    begin_trust(ann)
    key = ann.settings.signing_key
    old = key.read_bytes()
    after = rotate_key(ann)
    key.replace(key.with_name("release-key.new"))  # its public half is in place, it is not
    key.write_bytes(old)
    key.chmod(0o600)
    assert rotate_key(ann).version == after.version
    assert key.read_bytes() != old and not key.with_name("release-key.new").exists()
    assert next(key for key in show_trust(ann).keys if key.you).state == "in use"


def test_a_rotation_takes_the_users_other_fleets_along(tmp_path: Path, bob: Workstation) -> None:
    fleet = tmp_path / "fleets.toml"
    fleet.touch()
    me = of_fleet(tmp_path / "me", fleet)
    begin_trust(me)  # of the user's own devices
    fleet.write_text('name = "south"\n')
    begin_trust(me)
    add_signer(me, lines_of(bob, tmp_path / "bobs-line"))
    assert rotate_key(me).fleet == "south"
    assert renew(me).version == 4
    set_threshold(me, 2)
    fleet.write_text("")
    assert [key.state for key in show_trust(me).keys] == ["retired", "in use"]
    assert renew(me).version == 3
    key = me.settings.signing_key.read_bytes()
    rotate_key(me)
    assert me.settings.signing_key.read_bytes() == key, "in south bob has to sign first"
    chain = TrustChain(me.settings.trust_dir / "south", me.executor)
    chain.add_signature(chain.newest_version, bob.settings.signing_key)
    rotate_key(me)
    assert me.settings.signing_key.read_bytes() != key and renew(me).missing == 0


def test_a_line_with_dates_is_refused_and_a_key_on_two_lines_is_one(
    tmp_path: Path, ann: Workstation, bob: Workstation
) -> None:
    begin_trust(ann)
    lines = lines_of(bob, tmp_path / "bobs-line")
    name, _, rest = lines.read_text().strip().partition(" ")
    dated = tmp_path / "dated"
    dated.write_text(f'{name} valid-before="20990101",{rest}\n')
    with pytest.raises(InputError, match=r"dated:1: a trust file keeps no dates") as caught:
        add_signer(ann, dated)
    assert "valid-before" in caught.value.hint
    dated.write_text(f"{name} {rest}\nrobert@desk {rest}\n")  # the hint was followed
    assert len(add_signer(ann, dated).keys) == 2


def test_several_sign_and_a_lone_one_does_not_do(
    tmp_path: Path, ann: Workstation, bob: Workstation, board: Bench
) -> None:
    begin_trust(ann)
    bring(board, ann)
    with pytest.raises(InputError, match="is not in use") as caught:
        renew(bob)
    assert "edgekit keys add" in caught.value.hint
    add_signer(ann, lines_of(bob, tmp_path / "bobs-line"))
    with pytest.raises(NothingSelected, match="nobody who is not there yet"):
        add_signer(ann, tmp_path / "bobs-line")
    with pytest.raises(InputError, match="3 keys cannot have to sign: 2 can"):
        set_threshold(ann, 3)
    pending = set_threshold(ann, 2)
    assert (pending.version, pending.missing, len(pending.signed_by)) == (3, 1, 1)
    assert bring(board, ann) == 2  # no board gets what is not signed by enough
    assert set_threshold(ann, 2).version == 3  # made once more, it is still the third
    assert add_own_signature(bob).missing == 0
    assert bring(board, bob) == 3
    assert renew(ann).missing == 1
    with pytest.raises(TrustError, match="signed by 1 of the device's present keys, and 2"):
        board.releases.trust.follow(chain_of(ann).link(4).signed.to_bytes())
    add_own_signature(bob)
    assert bring(board, ann) == 4


def test_what_is_revoked_stays_so(
    tmp_path: Path, ann: Workstation, bob: Workstation, board: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_trust(ann)
    with pytest.raises(InputError, match="1 key had to sign and 0 could") as caught:
        revoke(ann, show_trust(ann).keys[0].fingerprint)
    assert "edgekit keys rotate" in caught.value.hint
    with pytest.raises(NothingSelected, match="there is no key eve"):
        revoke(ann, "eve")
    add_signer(ann, lines_of(bob, tmp_path / "bobs-line"))
    bobs = next(key for key in show_trust(ann).keys if not key.you)
    monkeypatch.chdir(tmp_path)
    (tmp_path / bobs.fingerprint).mkdir(parents=True)  # a folder of that name is not meant
    assert revoke(ann, bobs.fingerprint).revoked_keys == (bobs.fingerprint,)
    after = revoke(ann, "ab" * 32)
    assert after.revoked_releases == ("ab" * 32,) and after.keys[1].state == "revoked"
    assert bring(board, ann) == after.version
    with pytest.raises(InputError, match="is not in use"):
        renew(bob)


def test_rules_and_days_travel(ann: Workstation, board: Bench) -> None:
    begin_trust(ann)
    rules = TrustPolicy(no_dirty=True, deny=("numpy<2.2.5",), min_agreement=0.99)
    change = PolicyChange(no_dirty=True, deny=("numpy<2.2.5",), min_agreement=0.99, max_days=30)
    set_policy(ann, change)
    assert bring(board, ann) == 2
    document = board.releases.trust.document()
    assert document is not None
    assert (document.policy, document.warn_days, document.max_days) == (rules, 30, 30)
    with pytest.raises(InputError, match=r"--deny: .*no rule for a package"):
        set_policy(ann, PolicyChange(deny=("numpy~=2",)))
    with pytest.raises(InputError, match="warning at 40 comes too late") as caught:
        set_policy(ann, PolicyChange(warn_days=40))
    assert "--max-days more than 40" in caught.value.hint
    assert set_policy(ann, PolicyChange(warn_days=40, max_days=41)).max_days == 41
    assert document.expires_s - document.issued_s == 180 * DAY_S


def test_what_is_not_named_of_the_policy_stays(ann: Workstation) -> None:
    begin_trust(ann)
    set_policy(ann, PolicyChange(no_dirty=True, deny=("evil", "numpy<2.2.5"), min_agreement=0.9))
    after = set_policy(ann, PolicyChange(deny=("worse",), allow=("evil",))).policy
    assert after == TrustPolicy(no_dirty=True, deny=("numpy<2.2.5", "worse"), min_agreement=0.9)
    with pytest.raises(InputError, match="--allow: there is no rule 'evil'") as caught:
        set_policy(ann, PolicyChange(allow=("evil",)))
    assert caught.value.hint.endswith("the rules are numpy<2.2.5, worse")
    eased = set_policy(ann, PolicyChange(no_dirty=False, allow=after.deny, min_agreement=0.0)).policy
    assert eased == TrustPolicy()


def test_a_release_is_revoked_by_its_folder_and_not_by_the_beginning_of_its_digest(
    tmp_path: Path, ann: Workstation
) -> None:
    begin_trust(ann)
    release = make_release()
    write_release(release, tmp_path / "release")
    with pytest.raises(InputError, match="the beginning of a digest") as caught:
        revoke(ann, release.digest[:12])
    assert "or give the folder" in caught.value.hint
    assert revoke(ann, str(tmp_path / "release")).revoked_releases == (release.digest,)
    with pytest.raises(InputError, match=r"there is no manifest\.json in it"):
        revoke(ann, str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"{", b'{"signed": {}, "signatures": []}'])
def test_a_damaged_or_missing_version_is_told_by_its_file(ann: Workstation, content: bytes) -> None:
    begin_trust(ann)
    renew(ann)
    file = chain_of(ann).folder / "1.json"
    whole = file.read_bytes()
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"1\.json cannot be followed"):
        show_trust(ann)
    file.write_bytes(whole.replace(b'"version": 1', b'"version": 7'))
    with pytest.raises(InputError, match=r"1\.json is version 7"):
        show_trust(ann)
    file.unlink()
    with pytest.raises(InputError, match=r"1\.json is not there"):
        show_trust(ann)
    assert TrustChain(chain_of(ann).folder / "none", ann.executor).after(0) == ()
