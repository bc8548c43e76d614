"""Temperatures, and what holds clocks down because of them.

Sources: Linux, ABI/testing/sysfs-class-thermal; rbonghi/jetson_stats#381 for the names of L4T 35 and 36;
htop-dev/htop#1404 for Rockchip's.
"""

from __future__ import annotations

import re

from edgekit.device.telemetry.files import SensorFiles
from edgekit.schema.telemetry import CELSIUS, MAX_READINGS, BoardTelemetry, Temperature, Throttle

_FOLDER = "sys/class/thermal"
_HOLDS_CLOCKS = re.compile("cpufreq|devfreq|throttle", re.IGNORECASE)
"""Other cooling devices are fans, or only tell (`hot-surface-alert`)."""


def read_thermal(files: SensorFiles) -> BoardTelemetry:
    """All zones and cooling devices, by their types: numbers differ between kernels."""
    temperatures: dict[str, Temperature] = {}
    for folder in files.names(_FOLDER, "thermal_zone[0-9]{1,4}")[:MAX_READINGS]:
        zone = _zone(files.name(f"{_FOLDER}/{folder}/type") or "")
        millidegrees = files.number(f"{_FOLDER}/{folder}/temp")
        if not zone or millidegrees is None or not CELSIUS.admits(millidegrees / 1000):
            continue
        if millidegrees == 0 and re.fullmatch("cv[0-9]*", zone):  # the vision cluster is off
            continue
        name = zone if zone not in temperatures else f"{zone} {folder.removeprefix('thermal_zone')}"
        temperatures[name] = Temperature(zone=name, celsius=millidegrees / 1000)
    return BoardTelemetry(
        temperatures=tuple(temperatures.values()),
        throttles=_cooling(files),
        notes=() if temperatures else ("temperatures: there is no thermal zone that can be read",),
    )


def _zone(kind: str) -> str:
    """`CPU-therm` on L4T 35 and `cpu-thermal` on 36 are the same zone."""
    return re.sub("[-_]therm(al)?$", "", kind.lower())


def _cooling(files: SensorFiles) -> tuple[Throttle, ...]:
    found: dict[str, Throttle] = {}
    for folder in files.names(_FOLDER, "cooling_device[0-9]{1,4}")[:MAX_READINGS]:
        kind = files.name(f"{_FOLDER}/{folder}/type") or ""
        state = files.number(f"{_FOLDER}/{folder}/cur_state")
        if _HOLDS_CLOCKS.search(kind) and state is not None and state >= 0:
            found[kind] = Throttle(cause="heat", by=kind, active=state > 0)
    return tuple(found.values())
