"""Which device a word means."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import InputError, NothingSelected
from edgekit.host.link.inventory import read_inventory
from edgekit.host.settings import Settings
from edgekit.schema.fleet import Device
from edgekit.schema.reader import to_json

FLEET = """
allowed_signers = "signers"
[devices.gate-7]
address = "root@10.0.0.7"
target = "rk3588-debian12"
labels = { site = "north" }
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "fleet.toml").write_text(FLEET)
    board = tmp_path / "boards/virt"
    board.mkdir(parents=True)
    (board / "device.json").write_bytes(to_json(Device(name="virt", address="root@127.0.0.1:2222")))
    return Settings(
        config_dir=tmp_path,
        cache_dir=tmp_path,
        state_dir=tmp_path,
        data_dir=tmp_path,
        fleet_file=tmp_path / "fleet.toml",
    )


def test_names_boards_addresses_and_this_machine(settings: Settings) -> None:
    gate = read_inventory(settings).find("gate-7")
    assert (gate.name, gate.address, gate.labels) == ("gate-7", "root@10.0.0.7", {"site": "north"})
    assert read_inventory(settings).find("virt").address == "root@127.0.0.1:2222"
    assert read_inventory(settings).find("root@[fe80::1]:2222").address == "root@[fe80::1]:2222"
    assert read_inventory(settings).find("local").address == "local"


def test_the_fleet_wins_over_a_board(settings: Settings) -> None:
    settings.fleet_file.write_text('[devices.virt]\naddress = "root@elsewhere"\n')
    assert read_inventory(settings).find("virt").address == "root@elsewhere"


@pytest.mark.parametrize(("word", "meant"), [("gate-8", "did you mean gate-7?"), ("vrit", "did you mean virt?")])
def test_unknown_names_the_closest(word: str, meant: str, settings: Settings) -> None:
    with pytest.raises(NothingSelected) as caught:
        read_inventory(settings).find(word)
    assert meant in caught.value.message
    assert f"edgekit board up --name {word}" in caught.value.hint


def test_this_machine_that_is_not_up_is_brought_up_by_its_kind(settings: Settings) -> None:
    with pytest.raises(NothingSelected) as caught:
        read_inventory(settings).find("host")
    assert "edgekit board up --like host" in caught.value.hint


@pytest.mark.parametrize("word", ["root@", "@host", "root@host:port", "-oProxyCommand=x@y"])
def test_what_looks_like_an_address_and_is_none(word: str, settings: Settings) -> None:
    with pytest.raises(InputError, match="is not an address"):
        read_inventory(settings).find(word)


def test_a_wrong_fleet_file_gives_every_mistake(settings: Settings) -> None:
    settings.fleet_file.write_text('[devices.a]\nadress = "x"\n[devices.b]\naddress = 5\n')
    with pytest.raises(InputError) as caught:
        read_inventory(settings).find("a")
    assert "devices.a.adress: unknown key; did you mean address?" in caught.value.message
    assert (
        "devices.b.address: expected USER@HOST, USER@HOST:PORT, a name from ssh_config, or local, found 5"
        in caught.value.message
    )


def test_no_fleet_file_is_an_empty_fleet(settings: Settings) -> None:
    assert read_inventory(settings).allowed_signers == settings.fleet_file.parent / "signers"
    settings.fleet_file.unlink()
    assert read_inventory(settings).allowed_signers is None
    assert read_inventory(settings).find("virt").name == "virt"


def test_hundreds_of_devices_take_one_reading(settings: Settings) -> None:
    names = [f"gate-{number}" for number in range(500)]
    settings.fleet_file.write_text("".join(f'[devices.{name}]\naddress = "root@{name}"\n' for name in names))
    inventory = read_inventory(settings)
    settings.fleet_file.unlink()
    assert [inventory.find(name).address for name in names] == [f"root@{name}" for name in names]
    with pytest.raises(NothingSelected, match="did you mean gate-4") as caught:
        inventory.find("gatee-4")
    assert len(caught.value.hint) < 400 and "and 481 more" in caught.value.hint
