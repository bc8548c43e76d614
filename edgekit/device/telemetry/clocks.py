"""Clocks of CPUs, GPU, NPU and memory, and what they may rise to now.

Sources: Linux, ABI/testing/sysfs-devices-system-cpu and sysfs-class-devfreq; jetson-stats for BPMP's debugfs and the
caps. GPU counters of BPMP are left alone: reading one makes the firmware measure.
"""

from __future__ import annotations

from edgekit.device.telemetry.accelerators import DEVFREQ, gpu_nodes
from edgekit.device.telemetry.files import SensorFiles
from edgekit.schema.telemetry import HERTZ, MAX_READINGS, BoardTelemetry, ClockRate

_POLICIES = "sys/devices/system/cpu/cpufreq"
_EMC_RATE = "sys/kernel/debug/bpmp/debug/clk/emc/rate"
_EMC_CAPS = ("sys/kernel/nvpmodel_clk_cap/emc", "sys/kernel/nvpmodel_emc_cap/emc_iso_cap")


def read_clocks(files: SensorFiles) -> BoardTelemetry:
    """CPUs by cpufreq's policies, then what devfreq and BPMP tell."""
    found: list[ClockRate | None] = []
    for name in files.names(_POLICIES, "policy[0-9]+")[:MAX_READINGS]:
        now, limit = (files.number(f"{_POLICIES}/{name}/scaling_{end}_freq") for end in ("cur", "max"))
        found.append(_clock(f"cpu{name.removeprefix('policy')}", _kilo(now), _kilo(limit)))
    named = [("gpu", node) for node in gpu_nodes(files)[:1]]
    named += [("npu", f"{DEVFREQ}/{name}") for name in files.names(DEVFREQ, r"[0-9a-f]+\.npu")[:1]]
    named += [("memory", f"{DEVFREQ}/dmc")]
    for name, node in named:
        found.append(_clock(name, files.number(f"{node}/cur_freq"), files.number(f"{node}/max_freq")))
    caps = [cap for cap in map(files.number, _EMC_CAPS) if cap]
    found.append(_clock("memory", files.number(_EMC_RATE), caps[0] if caps else None))
    clocks = {clock.clock: clock for clock in found if clock}
    notes = () if clocks else ("clocks: neither cpufreq nor devfreq tells any",)
    return BoardTelemetry(clocks=tuple(clocks.values())[:MAX_READINGS], notes=notes)


def _kilo(number: int | None) -> int | None:
    return None if number is None else number * 1000


def _clock(name: str, hertz: int | None, limit: int | None) -> ClockRate | None:
    if hertz is None or not HERTZ.admits(hertz):
        return None
    return ClockRate(clock=name, hertz=hertz, limit_hertz=limit if limit and HERTZ.admits(limit) else None)
