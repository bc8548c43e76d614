"""QEMU's command line, image keys, records: what can be known of a board without starting one."""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgekit.errors import EdgekitError, NothingSelected, Unreachable
from edgekit.executor.local import LocalExecutor
from edgekit.host.board.boards import Boards
from edgekit.host.board.image import image_key
from edgekit.host.board.machine import Firmware, Machine, Ram, socket_fits
from edgekit.host.board.qmp import Qmp
from edgekit.host.board.records import BoardRecord
from edgekit.host.board.shapes import SHAPES
from edgekit.host.board.template import Seed
from edgekit.host.progress import Silent
from edgekit.host.settings import Settings
from edgekit.schema.reader import to_json
from tests.fakes.eventually import PATIENCE_S

FIRMWARE = Firmware(kernel=Path("/t/Image"), initrd=Path("/t/initrd"), dtb=None)


def machine(shape: str, ram: Ram | None, folder: str = "/b") -> Machine:
    return Machine(
        shape=SHAPES[shape], firmware=FIRMWARE, disk=Path(folder, "disk.qcow2"), folder=Path(folder), port=2222, ram=ram
    )


def test_a_template_and_its_clone_differ_only_in_disk_port_sharing_and_incoming() -> None:
    template = machine("virt", Ram(file=Path("/t/ram"), shared=True), "/t").argv()
    clone = dataclasses.replace(machine("virt", Ram(file=Path("/t/ram"), shared=False)), port=3333).argv(incoming=True)
    different = {(a, b) for a, b in zip(template, clone, strict=False) if a != b}
    told = {a.split("=")[0].split(":")[0] for a, _ in different}
    assert told == {"memory-backend-file,id", "file", "unix", "if", "user,id"}
    assert clone[-2:] == ["-incoming", "defer"]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_has_as_many_cpus_as_capacities(shape: str) -> None:
    argv = machine(shape, None).argv()
    assert argv[argv.index("-smp") + 1] == str(len(SHAPES[shape].capacities))
    assert max(SHAPES[shape].capacities) == 1024


def test_the_network_is_on_loopback_alone() -> None:
    argv = machine("virt", None).argv()
    assert argv[argv.index("-netdev") + 1] == "user,id=n0,hostfwd=tcp:127.0.0.1:2222-:22"


def test_an_images_key_changes_with_any_of_its_inputs(tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_text("one")
    first = image_key(tmp_path)
    assert image_key(tmp_path) == first
    (tmp_path / "a.sh").write_text("two")
    second = image_key(tmp_path)
    (tmp_path / "a.sh").rename(tmp_path / "b.sh")
    assert len({first, second, image_key(tmp_path)}) == 3


def test_a_seeds_key_is_that_of_its_files() -> None:
    assert Seed().key == ""
    one, two = Seed(files={"a" * 64: Path("/x")}), Seed(files={"a" * 64: Path("/y")})
    assert one.key == two.key != Seed(files={"a" * 64 + ".x": Path("/x")}).key


def test_a_folder_too_deep_for_a_socket_is_noticed() -> None:
    assert socket_fits(Path("/tmp/x"))
    assert not socket_fits(Path("/" + "x" * 100))


@pytest.fixture
def boards(tmp_path: Path) -> Boards:
    settings = Settings(
        config_dir=tmp_path, cache_dir=tmp_path, state_dir=tmp_path, data_dir=tmp_path, fleet_file=tmp_path / "f"
    )
    return Boards(settings, LocalExecutor(), Silent())


def record(boards: Boards, name: str, pid: int) -> None:
    made = BoardRecord(shape="virt", port=1, pid=pid, template="/t", image="/i", image_key="k")
    boards.folder(name).mkdir(parents=True)
    (boards.folder(name) / "board.json").write_bytes(to_json(made))


def test_a_process_that_is_not_this_boards_is_never_touched(boards: Boards) -> None:
    record(boards, "old", pid=1)
    assert boards.status("old").state == "dead"
    with pytest.raises(Unreachable, match="board old is dead"):
        boards.power_cut("old")
    boards.down("old")
    assert boards.names() == []


def test_a_half_written_board_can_be_taken_down(boards: Boards) -> None:
    boards.folder("half").mkdir(parents=True)
    (boards.folder("half") / "board.json").write_text('{"sha')
    boards.down("half")
    assert not boards.folder("half").exists()


def test_an_unknown_board_is_told_with_the_known_ones(boards: Boards) -> None:
    record(boards, "one", pid=0)
    with pytest.raises(NothingSelected, match="no board 'two'") as told:
        boards.status("two")
    assert "known: one" in told.value.hint


@contextmanager
def qemu(folder: Path, *answers: dict[str, object]) -> Iterator[Path]:
    """A control socket that greets, then answers line by line, then hangs up."""
    path = folder / "qmp.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        client, _ = server.accept()
        file = client.makefile("rw")
        file.write('{"QMP": {}}\n')
        file.flush()
        for answer in ({"return": {}}, *answers):
            if not file.readline():
                break
            file.write('{"event": "RESUME"}\n' + json.dumps(answer) + "\n")
            file.flush()
        file.close()
        client.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield path
    thread.join(PATIENCE_S)
    server.close()


def test_events_between_answers_are_passed_over(tmp_path: Path) -> None:
    with qemu(tmp_path, {"return": {"status": "paused"}}) as path, Qmp(path) as qmp:
        assert qmp("query-status") == {"status": "paused"}


def test_a_refusal_and_a_hang_up_are_told(tmp_path: Path) -> None:
    with qemu(tmp_path, {"error": {"desc": "no such device"}}) as path, Qmp(path) as qmp:
        with pytest.raises(EdgekitError, match="no such device"):
            qmp("set_link")
        with pytest.raises(Unreachable, match="did not answer"):
            qmp("stop")


def test_nobody_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="does not listen"):
        Qmp(tmp_path / "none", wait_s=0.1)
