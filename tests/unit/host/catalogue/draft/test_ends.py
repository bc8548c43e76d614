"""Cameras and brokers as command lines name them, and what of them goes where: nothing into the recipe."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.catalogue.draft.ends import DraftEnd, parse_broker, parse_cameras
from edgekit.host.catalogue.draft.fleet_text import DraftSettings, settings_of_ends, write_settings
from edgekit.host.toml_file import read_toml
from edgekit.schema.fleet import Fleet, ReadFrom

SECRET = "s3cret-p@ss"


def test_cameras_have_names_addresses_and_logins() -> None:
    assert parse_cameras(["rtsp://10.0.0.5/stream1?x=1"]) == (
        DraftEnd(name="camera", address="rtsp://10.0.0.5/stream1?x=1"),
    )
    gate, second = parse_cameras(["gate=rtsp://viewer:s3cret-p%40ss@10.0.0.5:8554/1", "rtsps://a@[::1]/2"])
    assert gate == DraftEnd(name="gate", address="rtsp://10.0.0.5:8554/1", user="viewer", password=SECRET)
    assert second == DraftEnd(name="camera2", address="rtsps://[::1]/2", user="a")


@pytest.mark.parametrize(
    "text",
    [
        "http://10.0.0.5/1",
        "gate",
        "gate=",
        "rtsp://",
        "rtsp:///x",
        "rtsp://h:99999/1",
        "a b=rtsp://h/1",
        "rtsp://:pw@h/1",
    ],
)
def test_what_is_no_camera_is_told_without_its_address(text: str) -> None:
    with pytest.raises(InputError, match="--camera: ") as raised:
        parse_cameras([text.replace("h/1", f"v:{SECRET}@h/1") if "pw" not in text else text])
    assert SECRET not in raised.value.message + raised.value.hint and "pw" not in raised.value.message


def test_two_cameras_of_one_name_are_told() -> None:
    with pytest.raises(InputError, match="named gate"):
        parse_cameras(["gate=rtsp://a/1", "gate=rtsp://b/1"])


def test_brokers() -> None:
    assert parse_broker("10.0.0.2") == DraftEnd(name="broker", address="10.0.0.2")
    assert parse_broker("mqtt://line:secret@broker.example:1884") == DraftEnd(
        name="broker", address="broker.example", user="line", password="secret", port=1884
    )
    for text in ("a b", "host/topic", "host:x", "", "host:99999"):
        with pytest.raises(InputError, match="no broker"):
            parse_broker(text)


def given() -> DraftSettings:
    cameras = parse_cameras([f"gate=rtsp://viewer:{SECRET.replace('@', '%40')}@10.0.0.5/1", "yard=rtsp://v@10.0.0.6/1"])
    return settings_of_ends(cameras, parse_broker("10.0.0.2"))


def test_addresses_go_to_fleet_toml_and_secrets_beside_it(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.toml"
    fleet.write_text('[devices.x]\naddress = "root@10.0.0.9"   # mine\n')
    done = write_settings(given(), "gate", fleet)
    assert done.written and done.missing == (tmp_path / "secrets/gate.yard_password",)
    assert fleet.read_text().startswith('[devices.x]\naddress = "root@10.0.0.9"   # mine\n')
    assert SECRET not in fleet.read_text()
    assert read_toml(Fleet, fleet).settings == {
        "gate": {
            "gate_url": "rtsp://10.0.0.5/1",
            "gate_user": "viewer",
            "gate_password": ReadFrom(file="secrets/gate.gate_password"),
            "yard_url": "rtsp://10.0.0.6/1",
            "yard_user": "v",
            "yard_password": ReadFrom(file="secrets/gate.yard_password"),
            "broker": "10.0.0.2",
        }
    }
    secret = tmp_path / "secrets/gate.gate_password"
    assert secret.read_text() == f"{SECRET}\n" and stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert (tmp_path / "secrets/.gitignore").read_text() == "*\n"


@pytest.mark.parametrize("text", ['[settings.gate]\nbroker = "mine"\n', 'settings = { gate = { broker = "mine" } }\n'])
def test_settings_that_are_there_are_left_alone(text: str, tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(text)
    done = write_settings(given(), "gate", fleet)
    assert not done.written and "[settings.gate]" in done.section and fleet.read_text() == text


def test_a_password_that_is_not_known_has_a_folder_to_be_written_to(tmp_path: Path) -> None:
    found = settings_of_ends(parse_cameras(["rtsp://viewer@10.0.0.5/1"]), None)
    (missing,) = write_settings(found, "gate", tmp_path / "fleet.toml").missing
    missing.write_text(SECRET)


def test_an_address_that_is_not_known_stands_there_as_a_comment(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.toml"
    done = write_settings(settings_of_ends((DraftEnd(name="camera"),), None), "gate", fleet)
    assert done.later == ("camera_url",) and read_toml(Fleet, fleet).settings == {"gate": {}}
    fleet.write_text(fleet.read_text().replace("# camera_url", "camera_url"))
    assert read_toml(Fleet, fleet).settings == {"gate": {"camera_url": "rtsp://10.0.0.5/stream1"}}


def test_without_anything_to_give_nothing_is_written(tmp_path: Path) -> None:
    done = write_settings(DraftSettings(values={}, secrets={}, later={}), "gate", tmp_path / "fleet.toml")
    assert done.section == "" and not list(tmp_path.iterdir())


def test_a_broken_fleet_toml_is_told_and_kept(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.toml"
    fleet.write_text("[devices\n")
    with pytest.raises(InputError):
        write_settings(given(), "gate", fleet)
    assert fleet.read_text() == "[devices\n"
