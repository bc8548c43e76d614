"""What fleet.toml gives a device: whose value counts, how secrets are read, what is refused before anything moves."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.executor.local import LocalExecutor
from edgekit.host.link.board_settings import outgoing_settings, settings_for
from edgekit.host.link.inventory import Inventory, read_inventory
from edgekit.host.settings import Settings
from edgekit.schema.message import from_message
from edgekit.schema.plan import StagePlan
from edgekit.schema.settings import BoardSettings, IntegerSetting, NumberSetting, Setting, SettingPlace, TextSetting
from tests.fakes.releases import make_plan

DECLARED: dict[str, Setting] = {
    "url": TextSetting(kind="text", about="The camera.", example="rtsp://192.0.2.1/"),
    "rounds": IntegerSetting(kind="integer", about="Rounds.", default=1),
    "key": TextSetting(kind="text", about="The password.", secret=True),
}
FLEET = """
[settings.line]
rounds = 3
url = "rtsp://all/"
[devices.gate-7]
address = "root@10.0.0.7"
settings_file = "gate-7.toml"
[devices.gate-7.settings.line]
key = {}
[devices.gate-8]
address = "root@10.0.0.8"
"""
BESIDE = '[settings.line]\nurl = "rtsp://gate-7/"\nrounds = 9\n'


def settings(folder: Path) -> Settings:
    folders = dict.fromkeys(("config_dir", "cache_dir", "state_dir", "data_dir"), folder)
    return Settings(**folders, fleet_file=folder / "fleet.toml")


def inventory(folder: Path, key: str = '{ file = "key" }', beside: str = BESIDE) -> Inventory:
    (folder / "fleet.toml").write_text(FLEET.replace("{}", key))
    (folder / "gate-7.toml").write_text(beside)
    return read_inventory(settings(folder))


def secret(folder: Path, content: bytes = b"hunter2\n", mode: int = 0o600) -> None:
    file = folder / "key"
    file.write_bytes(content)
    file.chmod(mode)


def values(found: Inventory, device: str = "gate-7") -> dict[str, object]:
    content = settings_for(found, device, "line", DECLARED, LocalExecutor())
    return from_message(BoardSettings, content, "settings").values if content else {}


def refused(found: Inventory, device: str = "gate-7") -> InputError:
    with pytest.raises(InputError) as caught:
        values(found, device)
    assert "hunter2" not in f"{caught.value.message}{caught.value.hint}{caught.value.details}"
    return caught.value


def test_a_devices_own_count_before_its_file_and_that_before_everybodys(tmp_path: Path) -> None:
    secret(tmp_path)
    assert values(inventory(tmp_path)) == {"rounds": 9, "url": "rtsp://gate-7/", "key": "hunter2"}
    own = inventory(tmp_path, key='{ file = "key" }\nrounds = 4')
    assert values(own)["rounds"] == 4


def test_each_push_has_a_digest_of_its_own(tmp_path: Path) -> None:
    secret(tmp_path)
    found = inventory(tmp_path)
    assert len({settings_for(found, "gate-7", "line", DECLARED, LocalExecutor()) for _ in range(3)}) == 3


def test_a_device_that_is_given_nothing_gets_nothing(tmp_path: Path) -> None:
    found = inventory(tmp_path)
    assert settings_for(found, "gate-8", "other", DECLARED, LocalExecutor()) == b""


def test_a_command_gives_a_secret(tmp_path: Path) -> None:
    command = f'{{ command = ["{sys.executable}", "-c", "print(open(\'own\').read())"] }}'
    (tmp_path / "own").write_text("hunter2\nand more")
    assert values(inventory(tmp_path, key=command))["key"] == "hunter2"


@pytest.mark.parametrize(
    ("key", "message", "hint"),
    [
        ('"hunter2"', "fleet.toml: key is a secret, and its value stands in the file", "write key = { file"),
        ("{}", "key: expected one of file and command", "write key = { file"),
        ('{ file = "key", command = ["x"] }', "key: expected one of file and command", "write key = { file"),
        ('{ file = "none" }', "none cannot be read: No such file", "chmod 600"),
        ('{ command = ["/no/such"] }', "key: /no/such: ", ""),
        ('{ command = ["false"] }', "key: false ended with 1", "run it in"),
        ('{ command = ["true"] }', "key: true gives no line of text", "its first line"),
    ],
)
def test_a_secret_that_cannot_be_had(tmp_path: Path, key: str, message: str, hint: str) -> None:
    error = refused(inventory(tmp_path, key=key))
    assert message in error.message and hint in error.hint


@pytest.mark.parametrize("content", [b"", b"\n", b"\x00\x01\n", b"x" * 5000, b"a\x1b[2J\n"])
def test_a_file_without_a_line_of_text(tmp_path: Path, content: bytes) -> None:
    secret(tmp_path, content)
    assert "gives no line of text" in refused(inventory(tmp_path)).message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_that_others_may_read_and_its_cure(tmp_path: Path, mode: int) -> None:
    secret(tmp_path, mode=mode)
    error = refused(inventory(tmp_path))
    assert "others may read" in error.message
    assert LocalExecutor().run(error.hint.split(), timeout_s=60).returncode == 0
    assert values(inventory(tmp_path))["key"] == "hunter2"


def test_a_named_pipe_gives_a_secret_once(tmp_path: Path) -> None:
    """As `<(pass show cameras/gate)` of a shell does."""
    reader, writer = os.pipe()
    os.write(writer, b"hunter2\n")
    os.close(writer)
    assert values(inventory(tmp_path, key=f'{{ file = "/proc/self/fd/{reader}" }}'))["key"] == "hunter2"
    os.close(reader)


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ("[settings.line]\nround = 1", "settings of line on gate-7: round: the application has no such setting"),
        ('[settings.line]\nrounds = "x"', 'rounds: expected a whole number, found "x"'),
        ("[setting.line]\nrounds = 1", "gate-7.toml: setting: unknown key; did you mean settings?"),
        ("[settings.line]\nrounds = [1]", "gate-7.toml: settings.line.rounds: expected"),
    ],
)
def test_wrong_values_are_told_with_where_they_stand(tmp_path: Path, beside: str, message: str) -> None:
    secret(tmp_path)
    with pytest.raises(InputError) as caught:
        values(inventory(tmp_path, beside=beside))
    assert message in caught.value.message


def test_a_missing_settings_file_is_told(tmp_path: Path) -> None:
    inventory(tmp_path)
    (tmp_path / "gate-7.toml").unlink()
    with pytest.raises(InputError, match="cannot be read") as caught:
        read_inventory(settings(tmp_path))
    assert "leave out settings_file" in caught.value.hint


def test_what_the_plans_places_refuse_is_refused_here(tmp_path: Path) -> None:
    found = inventory(tmp_path, beside="[settings.sorter]\nleast = 7")
    find = StagePlan(name="find", kind="yolo", lane="all", engine="m", entry="", options={"labels": ["a"]})
    place = SettingPlace(setting="least", keys=("stages", "find", "options", "threshold"))
    declared: dict[str, Setting] = {"least": NumberSetting(kind="number", about="Least.", default=0.5)}
    made = replace(make_plan(), stages=(find,), settings=declared, places=(place,))
    with pytest.raises(
        InputError, match="settings of sorter on gate-7: least: expected more than 0, at most 1"
    ) as caught:
        outgoing_settings(found, "gate-7", made, LocalExecutor())
    assert caught.value.hint == f"edit [devices.gate-7.settings.sorter] in {tmp_path / 'fleet.toml'}"


def test_the_hint_names_a_table_that_can_be_written(tmp_path: Path) -> None:
    """A running board, such as `host`, stands in no fleet.toml: a table of its own there would want an address."""
    (tmp_path / "fleet.toml").write_text("")
    declared: dict[str, Setting] = {"url": TextSetting(kind="text", about="Where.", example="x")}
    with pytest.raises(InputError, match="url: missing") as caught:
        outgoing_settings(
            read_inventory(settings(tmp_path)), "host", replace(make_plan(), settings=declared), LocalExecutor()
        ).check_kept("sorter", ())
    assert caught.value.hint == f"edit [settings.sorter] in {tmp_path / 'fleet.toml'}"
    (tmp_path / "fleet.toml").write_text('[settings.sorter]\nurl = "rtsp://10.0.0.5/1"\n')
    found = read_inventory(settings(tmp_path))
    assert outgoing_settings(found, "host", replace(make_plan(), settings=declared), LocalExecutor()).content
