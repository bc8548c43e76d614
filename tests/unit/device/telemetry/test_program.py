"""The process that reads sensors, as the keeper starts it: a byte in, a line out, and an end with its keeper."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.schema.message import from_message
from edgekit.schema.telemetry import BoardTelemetry
from tests.fakes.sensors import build_sensors

PROGRAM = """
import sys
from edgekit.device.telemetry.program import main
sys.exit(main(int(sys.argv[1]), root=sys.argv[2], idle_s=float(sys.argv[3])))
"""
LIMIT_S = 60.0


@contextmanager
def running(root: Path, idle_s: float) -> Iterator[tuple[socket.socket, subprocess.Popen[bytes]]]:
    own, theirs = socket.socketpair()
    own.settimeout(LIMIT_S)
    argv = [sys.executable, "-c", PROGRAM, str(theirs.fileno()), str(root), str(idle_s)]
    process = subprocess.Popen(argv, pass_fds=[theirs.fileno()])
    theirs.close()
    with own:
        yield own, process
    process.kill()
    process.wait(LIMIT_S)


def test_each_byte_is_answered_by_a_reading_and_it_ends_with_its_keeper(tmp_path: Path) -> None:
    root = build_sensors({"zones": {"soc-thermal": 41615}}, tmp_path)
    with running(root, LIMIT_S) as (keeper, process):
        for millidegrees in (41615, 52692):
            (root / "sys/class/thermal/thermal_zone0/temp").write_text(f"{millidegrees}\n")
            keeper.sendall(b"\n")
            found = from_message(BoardTelemetry, keeper.makefile("rb").readline(), "it")
            assert [(one.zone, one.celsius) for one in found.temperatures] == [("soc", millidegrees / 1000)]
        keeper.close()
        assert process.wait(LIMIT_S) == 0


def test_it_ends_when_nobody_asks(tmp_path: Path) -> None:
    with running(tmp_path, 0.05) as (keeper, process):
        assert process.wait(LIMIT_S) == 0
        assert keeper.recv(1) == b""
