"""jetson-stats, where it runs: in a Python of its own, believed where it knows the board, and never before sysfs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.device.telemetry.jtop import Jtop, completed, figures_of, why_not
from edgekit.executor.child import Child, start_child
from edgekit.schema.message import from_message, to_line
from edgekit.schema.telemetry import AcceleratorLoad, BoardTelemetry, PowerRail, Temperature
from tests.fakes.clock import Clock
from tests.fakes.eventually import eventually

STATS = {
    "time": "2026-11-26 07:00:00",
    "CPU1": 12,
    "RAM": 0.4,
    "GPU": 43.75,
    "Temp cpu": 48.5,
    "Temp cv0": -256,
    "Temp tj": 48.5,
    "Power VDD_IN": 5161,
    "Power TOT": 5161,
    "jetson_clocks": "OFF",
    "nvp model": "25W",
}
FOUND = BoardTelemetry(
    temperatures=(Temperature(zone="cpu", celsius=48.5), Temperature(zone="tj", celsius=48.5)),
    loads=(AcceleratorLoad(accelerator="gpu", ratio=0.4375),),
    rails=(PowerRail(rail="VDD_IN", watts=5.161),),
    module_watts=5.161,
)
LIBRARY = """
import os, time
class jtop:
    "Has of jetson-stats' jtop what is used of it."
    def __init__(self, interval):
        self.stats = {stats!r}
    def __enter__(self):
        {enter}
        return self
    def __exit__(self, *error):
        pass
    def ok(self):
        time.sleep(0.01)
        return True
"""


def python_for_anybody() -> str:
    """An interpreter that user nobody may run too: as root, who asks jtop becomes that one."""
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        probe = [python, "-c", "import json"]
        whom = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        try:
            if subprocess.run(probe, check=False, capture_output=True, **whom).returncode == 0:  # type: ignore[call-overload]
                return python
        except OSError:
            continue
    pytest.skip("no Python here that nobody may run")


class Board:
    """A root with jtop's socket and command, and the Python that has jetson-stats."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.children: list[Child] = []
        self.clock = Clock()
        self.write("run/jtop.sock", "")
        self.write("etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic\n")
        self.jtop = Jtop(str(root), self.start, clock=self.clock)

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def start(self, argv: list[str], **options: object) -> Child:
        self.children.append(start_child(argv, **options))  # type: ignore[arg-type]
        return self.children[-1]

    def install(self, version: str, enter: str = "pass", stats: dict[str, object] = STATS) -> None:
        """jetson-stats in a Python of its own, as pipx does it: the command's first line names that."""
        site = self.root / "opt/jetson-stats"
        self.write("opt/jetson-stats/jtop.py", LIBRARY.format(stats=stats, enter=enter))
        info = f"opt/jetson-stats/jetson_stats-{version}.dist-info/METADATA"
        self.write(info, f"Metadata-Version: 2.1\nName: jetson-stats\nVersion: {version}\n")
        own = self.write(
            "opt/python",
            textwrap.dedent(f"""\
                #!{python_for_anybody()}
                import sys
                assert sys.argv[1:3] == ["-I", "-c"]
                sys.path.insert(0, {str(site)!r})
                program, sys.argv = sys.argv[3], ["-c", *sys.argv[4:]]
                exec(program)
                """),
        )
        own.chmod(0o755)
        self.write("usr/local/bin/jtop", f"#!{own}\nfrom jtop.__main__ import main\n")


@pytest.fixture
def board() -> Iterator[Board]:
    root = Path(tempfile.mkdtemp(prefix="ek"))
    root.chmod(0o755)
    made = Board(root)
    yield made
    made.jtop.close()
    shutil.rmtree(root)


def test_without_its_service_nothing_is_asked_and_nothing_said(board: Board) -> None:
    (board.root / "run/jtop.sock").unlink()
    assert board.jtop.figures() == BoardTelemetry()
    assert board.children == []


def test_what_it_says_of_a_board_that_it_knows_is_taken(board: Board) -> None:
    board.install("4.3.2")
    eventually(lambda: board.jtop.figures() == FOUND)
    assert len(board.children) == 1
    board.clock.advance(16)
    board.jtop._listen = lambda: None  # type: ignore[method-assign]
    assert board.jtop.figures() == BoardTelemetry(), "what was said long ago is not said now"


def test_its_process_is_nobodys_and_ends_with_the_socket(board: Board) -> None:
    board.install("4.3.2")
    eventually(lambda: board.jtop.figures() == FOUND)
    status = Path(f"/proc/{board.children[0].pid}/status").read_text()
    if os.geteuid() == 0:
        assert "Uid:\t65534\t65534\t65534\t65534" in status
    assert board.jtop._line is not None
    board.jtop._line.close()
    eventually(board.children[0].ended)


@pytest.mark.parametrize(
    ("version", "l4t", "known"),
    [
        ("4.3.2", (36, 4, 3), True),
        ("4.3.2", (35, 6, 1), True),
        ("4.3.2", (36, 4, 4), False),  # rbonghi/jetson_stats#768
        ("4.3.2", (39, 2, 0), False),  # #867
        ("7.2.2", (39, 2, 2), True),
        ("7.2.2", (40, 1, 0), False),
        ("8.0.0", (36, 5, 0), True),
        ("4.2.12", (35, 6, 1), False),
        ("nonsense", (36, 4, 3), False),
    ],
)
def test_versions_that_do_not_know_the_board_are_not_believed(version: str, l4t: tuple[int, ...], known: bool) -> None:
    told = f"jetson-stats {version} does not know L4T {'.'.join(map(str, l4t))}"
    assert why_not(version, l4t) == ("" if known else told)


def test_a_version_that_is_not_believed_is_ended(board: Board) -> None:
    board.write("etc/nv_tegra_release", "# R36 (release), REVISION: 4.7, GCID: 1, BOARD: generic\n")
    board.install("4.3.2")
    note = "jtop: jetson-stats 4.3.2 does not know L4T 36.4.7"
    eventually(lambda: board.jtop.figures() == BoardTelemetry(notes=(note,)))
    eventually(board.children[0].ended)


@pytest.mark.parametrize(
    ("enter", "said"),
    [
        ('raise RuntimeError("The jtop.service is not active")', "jtop: RuntimeError: The jtop.service is not active"),
        ("os._exit(3)", "jtop: its client has ended"),
    ],
)
def test_a_service_that_does_not_answer_is_a_note(board: Board, enter: str, said: str) -> None:
    board.install("4.3.2", enter)
    eventually(lambda: board.jtop.figures().notes == (said,) and board.jtop._child is None)
    board.jtop.figures()
    assert len(board.children) == 1, "it is not tried at every look"
    board.clock.advance(301)
    board.jtop.figures()
    assert len(board.children) == 2


def test_a_client_that_babbles_costs_no_other_value(board: Board) -> None:
    board.install("4.3.2", enter="[os.write(1, b'\\x1b[2Jno ' * 99 + b'\\n') for _ in iter(int, 1)]")
    eventually(lambda: board.jtop.figures().notes)
    found = board.jtop.figures()
    assert found.notes[0].startswith("jtop: no no")
    assert from_message(BoardTelemetry, to_line(found), "it") == found


def test_a_command_that_names_no_python_is_a_note(board: Board) -> None:
    board.write("usr/local/bin/jtop", "\x7fELF")
    assert board.jtop.figures().notes == ("jtop: its command names no Python",)


def test_nonsense_of_its_is_left_out_one_by_one() -> None:
    odd = {
        "Temp ": 20,
        "Temp \x1b[2J": 20.0,
        "Temp gpu": "48 C",
        "Temp soc": True,
        "Power VDD": 9e99,
        "Power TOT": None,
        "Power SOC": 10**400,
        "Power CPU": float("nan"),
        "GPU": 101,
    }
    assert figures_of(odd) == BoardTelemetry(temperatures=(Temperature(zone="2j", celsius=20.0),))
    many = figures_of({f"Temp z{number}": 20.0 for number in range(500)})
    assert len(many.temperatures) == 64


def test_sysfs_comes_first_and_its_gaps_are_filled() -> None:
    own = BoardTelemetry(
        temperatures=(Temperature(zone="cpu", celsius=50.0),),
        notes=("load: there is no GPU or NPU whose load can be read", "power: the board has no rail monitors"),
    )
    found = completed(own, FOUND)
    assert found == BoardTelemetry(
        temperatures=own.temperatures, loads=FOUND.loads, rails=FOUND.rails, module_watts=FOUND.module_watts
    )
    assert completed(own, BoardTelemetry(notes=("jtop: no",))).notes == (*own.notes, "jtop: no")
