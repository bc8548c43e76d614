"""Nobody whom a device trusts is shut out without being named: by allowed_signers, by a trust file, or both."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgekit.host.provision.desired import KeeperInstall
from edgekit.host.provision.trusted_keys import dropped_keys, keys_by_trust_file
from edgekit.judging.keys import fingerprint_of
from edgekit.schema.fleet import Device
from edgekit.schema.trust import TrustDocument, TrustedKey, unsigned
from tests.unit.host.provision.test_provision import TRUST, provisioned

SIGNERS_FILE = "/etc/edgekit/allowed_signers"
NOW_S = 1_800_000_000


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Public keys by their owners' names."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ann", "bob"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    return {name: " ".join((folder / f"{name}.pub").read_text().split()[:2]) for name in ("ann", "bob")}


def lines(keys: dict[str, str], *names: str, options: str = "") -> bytes:
    return "".join(f"{name}@desk {options}{keys[name]}\n" for name in names).encode()


def trust(keys: dict[str, str], *names: str, **fields: Any) -> bytes:
    listed = tuple(TrustedKey(name=f"{name}@desk", key=keys[name], since_s=1) for name in names)
    document = TrustDocument(version=1, issued_s=1, expires_s=2, keys=listed, **fields)
    return unsigned(document).to_bytes()


def by_trust_file(trusted: bytes, found_trust: bytes = b"", *, replace_trust: bool = False) -> list[str]:
    desired = KeeperInstall(
        device=Device(name="gate-7", address="root@gate-7"),
        keeper=b"",
        allowed_signers=b"",
        identity=b"",
        trust=trusted,
        replace_trust=replace_trust,
    )
    present = provisioned()
    present["texts"] = {SIGNERS_FILE: "", TRUST: found_trust.decode()}
    return [key.name for key in keys_by_trust_file(desired, present)]


def dropped(
    signers: bytes, trusted: bytes = b"", *, found: bytes, found_trust: bytes = b"", **fields: Any
) -> list[str]:
    desired = KeeperInstall(
        device=Device(name="gate-7", address="root@gate-7"),
        keeper=b"",
        allowed_signers=signers,
        identity=b"",
        trust=trusted,
    )
    present = provisioned()
    present["texts"] = {SIGNERS_FILE: found.decode(), TRUST: found_trust.decode()}
    return [key.name for key in dropped_keys(replace(desired, **fields), present, NOW_S)]


def test_a_line_that_is_missing_is_named_with_its_fingerprint(keys: dict[str, str]) -> None:
    assert dropped(lines(keys, "ann"), found=lines(keys, "ann", "bob")) == ["bob@desk"]
    assert dropped(lines(keys, "ann", "bob"), found=lines(keys, "bob")) == []
    assert dropped(lines(keys, "ann"), found=b"") == []
    assert dropped(lines(keys, "ann"), found=lines(keys, "bob") + b"nonsense\n") == ["bob@desk"]


def test_whose_time_is_over_is_no_loss_and_an_authority_is(keys: dict[str, str]) -> None:
    assert dropped(lines(keys, "ann"), found=lines(keys, "bob", options='valid-before="20200101" ')) == []
    assert dropped(lines(keys, "ann"), found=lines(keys, "bob", options='namespaces="git" ')) == []
    assert dropped(lines(keys, "ann"), found=lines(keys, "bob", options="cert-authority ")) == ["bob@desk"]


def test_a_first_trust_file_has_to_name_whom_the_device_trusts_by_the_other_file(keys: dict[str, str]) -> None:
    both = lines(keys, "ann", "bob")
    assert dropped(both, trust(keys, "ann"), found=both) == ["bob@desk"]
    assert dropped(both, trust(keys, "ann", "bob"), found=both) == []


def test_a_device_that_follows_a_trust_file_loses_nobody_by_the_other_one(keys: dict[str, str]) -> None:
    both = lines(keys, "ann", "bob")
    assert dropped(lines(keys, "ann"), trust(keys, "ann"), found=both, found_trust=trust(keys, "ann", "bob")) == []


def test_a_trust_file_that_is_replaced_names_whom_it_shuts_out(keys: dict[str, str]) -> None:
    there = trust(keys, "ann", "bob")
    given = {"found": lines(keys, "ann"), "replace_trust": True}
    assert dropped(lines(keys, "ann"), trust(keys, "ann"), found_trust=there, **given) == ["bob@desk"]
    revoked = trust(keys, "ann", "bob", revoked_keys=(fingerprint_of(keys["bob"]),))
    assert dropped(lines(keys, "ann"), trust(keys, "ann"), found_trust=revoked, **given) == []


def test_what_is_shown_can_be_compared(keys: dict[str, str], tmp_path: Path) -> None:
    desired = KeeperInstall(device=Device(name="d", address="a"), keeper=b"", allowed_signers=b"", identity=b"")
    present = provisioned()
    present["texts"] = {SIGNERS_FILE: lines(keys, "bob").decode(), TRUST: ""}
    (key,) = dropped_keys(desired, present, NOW_S)
    (tmp_path / "bob.pub").write_text(keys["bob"])
    shown = subprocess.run(["ssh-keygen", "-l", "-f", tmp_path / "bob.pub"], capture_output=True, text=True, check=True)
    assert str(key) == f"bob@desk  ssh-ed25519 {shown.stdout.split()[1]}"


def test_the_keys_of_the_trust_file_that_counts_are_told(keys: dict[str, str]) -> None:
    """It may name others than the allowed_signers file does, and then that one says nothing."""
    bob = fingerprint_of(keys["bob"])
    assert by_trust_file(b"") == [], "allowed_signers counts"
    assert by_trust_file(trust(keys, "ann", "bob")) == ["ann@desk", "bob@desk"]
    assert by_trust_file(trust(keys, "ann"), trust(keys, "bob")) == ["bob@desk"], "the device's own stays"
    assert by_trust_file(trust(keys, "ann"), trust(keys, "bob"), replace_trust=True) == ["ann@desk"]
    assert by_trust_file(trust(keys, "ann", "bob", revoked_keys=(bob,))) == ["ann@desk"], "a revoked key signs nothing"
