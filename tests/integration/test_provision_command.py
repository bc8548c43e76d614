"""`edgekit provision` as a command: who may sign is shown and judged before anything reaches the device."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.fakes.command_line import run


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A user with a signing key, and a device that is this machine below a folder of its own."""
    (tmp_path / "fleet.toml").write_text(
        f'[devices.gate]\naddress = "local"\nservice = "process"\nprefix = "{tmp_path}/device"\n'
    )
    assert run("keys", "init", cwd=tmp_path).returncode == 0
    return tmp_path


def key_of(folder: Path, name: str) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    return " ".join((folder / f"{name}.pub").read_text().split()[:2])


def test_fingerprints_are_shown_and_compare_with_ssh_keygens(desk: Path) -> None:
    key_of(desk, "bob")
    mine = run("keys", "show", cwd=desk).stdout
    (desk / "signers").write_text(f"{mine}bob@lab {(desk / 'bob.pub').read_text()}")
    done = run("provision", "gate", "--plan", "--allowed-signers", "signers", "--json", cwd=desk)
    assert done.returncode == 0, done.stderr
    own, bob = json.loads(done.stdout)["signers"]
    shown = subprocess.run(["ssh-keygen", "-l", "-f", "bob.pub"], cwd=desk, capture_output=True, text=True, check=True)
    assert bob["fingerprint"] == shown.stdout.split()[1]
    assert (own["you"], bob["you"], own["not_now"], bob["not_now"]) == (True, False, "", "")
    assert f"may sign: bob@lab  ssh-ed25519 {bob['fingerprint']}\n" in done.stderr
    assert "(you)" in done.stderr
    assert not (desk / "device").exists()


@pytest.mark.parametrize("name", ["bob.pub", "bob", "fleet.toml", "empty", "binary"])
def test_a_file_that_is_none_is_refused_before_anything_is_sent(name: str, desk: Path) -> None:
    key_of(desk, "bob")
    (desk / "empty").write_text("")
    (desk / "binary").write_bytes(bytes(range(256)) * 10)
    done = run("provision", "gate", "--allowed-signers", name, cwd=desk)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: {name}"), done.stderr
    assert "looking at" not in done.stderr and "Traceback" not in done.stderr
    assert not (desk / "device").exists()


def test_who_would_be_locked_out_is_told_and_the_hint_lets_them_in(desk: Path) -> None:
    (desk / "signers").write_text(f"bob@lab {key_of(desk, 'bob')}\n")
    refused = run("provision", "gate", "--plan", "--allowed-signers", "signers", cwd=desk)
    assert refused.returncode == 2
    assert "error: signers does not name your key (SHA256:" in refused.stderr
    command = refused.stderr.split("hint: ")[1].split(",")[0]
    assert command == "edgekit keys show >> signers"
    with (desk / "signers").open("a") as file:
        assert run("keys", "show", cwd=desk, stdout=file).returncode == 0
    assert run("provision", "gate", "--plan", "--allowed-signers", "signers", cwd=desk).returncode == 0


@pytest.mark.parametrize("options", ['namespaces="git"', 'valid-before="20200101"', "cert-authority"])
def test_a_line_that_allows_you_nothing_locks_you_out_too(options: str, desk: Path) -> None:
    mine = (desk / "home/config/release-key.pub").read_text()
    (desk / "signers").write_text(f"bob@lab {key_of(desk, 'bob')}\nann@desk {options} {mine}")
    done = run("provision", "gate", "--plan", "--allowed-signers", "signers", cwd=desk)
    assert done.returncode == 2 and "error: signers:2: your key " in done.stderr
    alone = run("provision", "gate", "--plan", "--allowed-signers", "signers", "--without-me", cwd=desk)
    assert alone.returncode == 0, alone.stderr
    assert "but not now: it " in alone.stderr


def test_the_fleets_file_is_judged_as_well(desk: Path) -> None:
    (desk / "signers").write_text(f"bob@lab {key_of(desk, 'bob')}\n")
    fleet = desk / "fleet.toml"
    fleet.write_text(f'allowed_signers = "signers"\n{fleet.read_text()}')
    done = run("provision", "gate", "--plan", cwd=desk)
    assert done.returncode == 2 and "does not name your key" in done.stderr


def test_a_second_key_keeps_the_first_and_is_allowed_too(desk: Path) -> None:
    key = desk / "home/config/release-key"
    key.write_text("")
    refused = run("keys", "init", cwd=desk)
    assert refused.returncode == 6 and f"{key} is empty" in refused.stderr
    command = refused.stderr.split("make yours anew: ")[1].split(" && ")[0]
    subprocess.run(command.split(), check=True)
    assert run("keys", "init", cwd=desk).returncode == 0
    assert len((desk / "home/config/allowed_signers").read_text().splitlines()) == 2
    assert len(run("keys", "show", cwd=desk).stdout.splitlines()) == 1
    assert run("provision", "gate", "--plan", cwd=desk).returncode == 0


def test_a_key_that_others_may_read_is_made_private_again(desk: Path) -> None:
    key = desk / "home/config/release-key"
    key.chmod(0o644)
    assert run("keys", "init", cwd=desk).returncode == 0
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_device_without_a_keeper_is_7(desk: Path) -> None:
    for verb in ("status", "logs", "metrics", "rollback"):
        done = run(verb, "gate", "--json", cwd=desk)
        assert done.returncode == 7, done.stderr
        error = json.loads(done.stdout)["error"]
        assert (error["message"], error["hint"]) == ("gate has no keeper", "edgekit provision gate")


def test_a_key_that_the_device_trusts_is_not_dropped_without_a_word(desk: Path) -> None:
    """Another operator's provisioning used to leave their own key alone, and its owner could not even roll back."""
    bob = f"bob@lab {key_of(desk, 'bob')}\n"
    settings = desk / "device/etc/edgekit"
    settings.mkdir(parents=True)
    (settings / "allowed_signers").write_text(bob)
    shown = subprocess.run(["ssh-keygen", "-l", "-f", "bob.pub"], cwd=desk, capture_output=True, text=True, check=True)
    refused = run("provision", "gate", "--plan", cwd=desk)
    assert refused.returncode == 2, refused.stderr
    assert f"may sign no more: bob@lab  ssh-ed25519 {shown.stdout.split()[1]}" in refused.stderr
    assert f"error: gate trusts bob@lab ({shown.stdout.split()[1]}), who could not sign" in refused.stderr
    assert "--drop-signers shuts them out" in refused.stderr

    (desk / "signers").write_text(f"{run('keys', 'show', cwd=desk).stdout}{bob}")
    kept = run("provision", "gate", "--plan", "--allowed-signers", "signers", cwd=desk)
    assert kept.returncode == 0 and "may sign no more" not in kept.stderr, kept.stderr
    dropped = run("provision", "gate", "--plan", "--drop-signers", "--json", cwd=desk)
    assert dropped.returncode == 0 and "may sign no more: bob@lab" in dropped.stderr, dropped.stderr
    assert [one["fingerprint"] for one in json.loads(dropped.stdout)["dropped"]] == [shown.stdout.split()[1]]
