"""What reading a board's sensors costs: on the tree of an Orin NX, and in the child that the keeper starts for it."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edgekit.device.telemetry.sensors import Sensors
from edgekit.host.provision.keeper_zip import build_keeper
from edgekit.host.toml_file import read_table
from edgekit.schema.telemetry import TELEMETRY_FD_VARIABLE
from measure import Figure, measured

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from tests.fakes.sensors import build_sensors  # noqa: E402

_READINGS, _STARTS = 200, 9


def sensor_figures() -> list[Figure]:
    """CPU of one reading; CPU and memory of a child that reads once."""
    with tempfile.TemporaryDirectory(prefix="ek") as folder:
        table = read_table(ROOT / "tests/cases/telemetry/orin-nx-l4t36.toml")
        sensors = Sensors(str(build_sensors(table, Path(folder, "board"))))
        readings = [_reading_ms(sensors) for _ in range(_READINGS)]
        pyz = Path(folder, "edgekitd.pyz")
        pyz.write_bytes(build_keeper())
        starts = [_one_child(pyz) for _ in range(_STARTS)]
    return [
        measured("telemetry_reading_cpu_ms", readings, unit="ms"),
        measured("telemetry_start_cpu_ms", [cpu_ms for cpu_ms, _ in starts], unit="ms"),
        measured("telemetry_rss_mib", [mib for _, mib in starts], unit="MiB"),
    ]


def _reading_ms(sensors: Sensors) -> float:
    before = time.process_time()
    sensors.read()
    return 1000 * (time.process_time() - before)


def _one_child(pyz: Path) -> tuple[float, float]:
    """Milliseconds of CPU from start to end with one reading of this machine, and the most memory in MiB."""
    interpreter = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    own, theirs = socket.socketpair()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = subprocess.Popen(
        [interpreter, "-I", "-S", str(pyz), "telemetry"],
        pass_fds=[theirs.fileno()],
        env={TELEMETRY_FD_VARIABLE: str(theirs.fileno())},
    )
    theirs.close()
    own.sendall(b"\n")
    own.recv(1 << 16)
    status = Path(f"/proc/{child.pid}/status").read_text()
    own.close()
    child.wait(20)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * cpu_s, int(status.partition("VmHWM:")[2].split()[0]) / 1024
