"""`make bench`: what edgekit itself costs, on the workstation and in the keeper.

The keeper's figures are of a real one, started in process mode in a folder of its own, idle.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.host.provision.keeper_zip import build_keeper
from measure import Figure, compared, cpu_seconds, machine, paired, paired_costs, spread
from parts import Parts, take
from sensors import sensor_figures

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from tests.fakes.vitals import cpu_s, rss_mib  # noqa: E402

IDLE_S = 20.0


def help_vs_python() -> Figure:
    """Time of `edgekit --help` against a Python that does nothing."""
    edgekit = str(Path(sys.executable).with_name("edgekit"))
    times, ratios = paired(
        lambda: subprocess.run([edgekit, "--help"], capture_output=True, check=True),
        lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
        n=15,
    )
    ratio = statistics.median(ratios)
    return compared("help_vs_python", ratio, times, bar=None, better="lower", against="python3 -c pass")


def cached_build_vs_python() -> Figure:
    """CPU time of the second identical `edgekit build` against a Python that does nothing."""
    edgekit = str(Path(sys.executable).with_name("edgekit"))
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # users keep it
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as folder:
        env["XDG_CONFIG_HOME"] = folder
        subprocess.run([edgekit, "keys", "init"], check=True, capture_output=True, env=env, timeout=60)
        build = [edgekit, "build", "recipes/sorting-line", "--target", "virt-arm64", "--out", f"{folder}/release"]
        cpu_seconds(build, env)
        costs, ratios = paired_costs(
            lambda: cpu_seconds(build, env), lambda: cpu_seconds([sys.executable, "-c", "pass"], env), n=9
        )
    ratio = statistics.median(ratios)
    return compared("cached_build_vs_python", ratio, costs, bar=80.0, better="lower", against="python3 -c pass, CPU")


@contextmanager
def idle_keeper() -> Iterator[int]:
    """A keeper with nothing to run; gives its pid."""
    with tempfile.TemporaryDirectory(prefix="ek") as folder:
        pyz = Path(folder, "edgekitd.pyz")
        pyz.write_bytes(build_keeper())
        interpreter = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        argv = [interpreter, "-I", str(pyz), "run", "--prefix", folder]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            sock = Path(folder, "run/edgekit/control.sock")
            deadline = time.monotonic() + 30
            while not sock.exists():
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit("the keeper did not start")
                time.sleep(0.05)
            time.sleep(2)
            yield process.pid
        finally:
            process.terminate()
            process.wait(20)


def keeper_figures() -> list[Figure]:
    """Resident memory, and CPU while nothing happens."""
    with idle_keeper() as pid:
        before, began = cpu_s(pid), time.monotonic()
        sizes = []
        while time.monotonic() - began < IDLE_S:
            sizes.append(rss_mib(pid))
            time.sleep(1)
        percent = 100 * (cpu_s(pid) - before) / (time.monotonic() - began)
    common = {"ratio": None, "bar": None, "better": "lower", "against": "", "machine": machine()}
    return [
        Figure(
            name="keeper_rss_mib",
            median=statistics.median(sizes),
            spread=spread(sizes),
            unit="MiB",
            n=len(sizes),
            **common,
        ),
        Figure(name="keeper_idle_cpu_percent", median=percent, spread=0.0, unit="%", n=1, **common),
    ]


def main() -> None:
    """Take the figures, print them, write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    wanted = parser.parse_args()
    parts: Parts = {
        "help": lambda: [help_vs_python()],
        "build": lambda: [cached_build_vs_python()],
        "keeper": keeper_figures,
        "sensors": sensor_figures,
    }
    take(parts, wanted.json)


if __name__ == "__main__":
    main()
