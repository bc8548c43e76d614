"""What is told of boards whose process, folder or lock is not as it should be. No QEMU is started."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from edgekit.errors import InputError, LockHeld, NothingSelected, Unreachable
from edgekit.executor.local import LocalExecutor, start_detached, stop
from edgekit.executor.processes import is_running
from edgekit.host.board.boards import Boards
from edgekit.host.board.records import BoardRecord, BoardRecords
from edgekit.host.board.shapes import SHAPES
from edgekit.host.cache import Cache
from edgekit.host.progress import Silent
from edgekit.host.settings import Settings
from edgekit.host.workflow.cache import collect_cache
from edgekit.schema.reader import to_json

KINDS = ("images", "templates")


@pytest.fixture
def boards(tmp_path: Path) -> Boards:
    folders = {name: tmp_path / name for name in ("config_dir", "cache_dir", "state_dir", "data_dir", "fleet_file")}
    return Boards(Settings(**folders), LocalExecutor(), Silent())


def write_record(boards: Boards, name: str, pid: int) -> Path:
    folder = boards.folder(name)
    folder.mkdir(parents=True)
    record = BoardRecord(shape="virt", port=1, pid=pid, template="/no/template", image="/no/image", image_key="ab")
    (folder / "board.json").write_bytes(to_json(record))
    return folder


def test_another_process_with_the_recorded_number_is_not_the_board(boards: Boards) -> None:
    write_record(boards, "a", os.getpid())
    assert boards.status("a").state == "dead"
    with pytest.raises(Unreachable):
        boards.power_cut("a")
    boards.down("a")
    assert boards.names() == []


def test_a_half_written_board_goes(boards: Boards) -> None:
    folder = boards.folder("half")
    folder.mkdir(parents=True)
    (folder / "board.new").write_text("{")
    boards.down("half")
    assert not folder.exists()
    with pytest.raises(NothingSelected):
        boards.down("half")


def start(program: str, word: str, tmp_path: Path) -> int:
    """A process of that name, with QEMU's way to name a socket."""
    copy = tmp_path / program
    shutil.copy(os.path.realpath("/bin/sh"), copy)
    return start_detached([str(copy), "-c", "sleep 60; :", "-qmp", f"unix:{word},server=on"], log=tmp_path / "log")


def test_a_process_without_its_folder_goes_too(boards: Boards, tmp_path: Path) -> None:
    pid = start("qemu-system-aarch64", str(boards.folder("lost") / "qmp.sock"), tmp_path)
    boards.down("lost")
    assert not is_running(pid)


@pytest.mark.parametrize(
    ("program", "prefix", "suffix"),
    [
        ("socat", "", ""),  # it only talks to the board
        ("qemu-system-aarch64", "/elsewhere", ""),  # a board of a folder that ends alike
        ("qemu-system-aarch64", "", "2"),
    ],
)
def test_a_strangers_process_that_names_the_socket_lives(
    boards: Boards, tmp_path: Path, program: str, prefix: str, suffix: str
) -> None:
    socket = f"{prefix}{boards.folder('a')}/qmp.sock{suffix}"
    pid = start(program, socket, tmp_path)
    try:
        boards.folder("a").mkdir(parents=True)
        boards.down("a")
        assert is_running(pid)
    finally:
        stop(pid, grace_s=0)


def test_a_damaged_record_is_listed_and_hides_no_other_board(boards: Boards) -> None:
    write_record(boards, "a", os.getpid())
    (write_record(boards, "b", os.getpid()) / "board.json").write_text("{")
    assert [(name, boards.status(name).state) for name in boards.names()] == [("a", "dead"), ("b", "damaged")]
    boards.down("b")
    assert boards.names() == ["a"]


def test_two_commands_do_not_bring_one_board_up(boards: Boards) -> None:
    lock = boards.folder("a").with_suffix(".lock")
    lock.parent.mkdir(parents=True)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(LockHeld):
            boards.up("a", SHAPES["virt"])


def test_a_folder_too_deep_for_a_socket_is_refused(boards: Boards, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too long"):
        boards.up("a" * 100, SHAPES["virt"])


def test_what_a_board_hangs_on_is_not_thrown_away(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("config_dir", "cache_dir", "state_dir", "data_dir", "fleet_file")}
    settings = Settings(**folders)
    used, unused = (
        {kind: Cache(settings.cache_dir / kind).get(key, lambda made: (made / "disk").touch()).folder for kind in KINDS}
        for key in ("used", "unused")
    )
    record = BoardRecord(
        shape="virt", port=1, pid=1, template=str(used["templates"]), image=str(used["images"]), image_key=""
    )
    records = BoardRecords(settings)
    for name in ("a", "b"):
        records.folder(name).mkdir(parents=True)
        records.write(name, record)
    (records.folder("b") / "board.json").write_text("{")  # hides nothing
    collect_cache(settings, older_than_s=0, max_bytes=None)
    assert all(folder.is_dir() for folder in used.values())
    assert not any(folder.exists() for folder in unused.values())
