"""Power by rails, from the INA3221 monitors of Orin modules; RK3588 boards have none as a rule.

Sources: Linux, Documentation/hwmon/ina3221; rbonghi/jetson_stats#381 for rails by module; alumet-dev/alumet#212 for
channels that fail; NVIDIA, Jetson Linux Developer Guide, "Platform Power and Performance", for `ocN_event_cnt`.
"""

from __future__ import annotations

from edgekit.device.telemetry.files import SensorFiles
from edgekit.schema.telemetry import COUNT, WATTS, BoardTelemetry, PowerEvents, PowerRail, Throttle

_MONITORS = "sys/bus/i2c/drivers/ina3221"
_WHOLE_MODULE = "VDD_IN"
"""On Orin Nano and NX this rail is all others' sum. AGX Orin has no such rail."""
_NO_RAIL = ("NC", "sum of shunt voltages")
_CHANNELS = (1, 2, 3)


def read_power(files: SensorFiles) -> BoardTelemetry:
    """Rails, their sum, alarms of the monitors, and how often the supply was too weak."""
    watts: dict[str, float | None] = {}
    throttles: list[Throttle] = []
    for chip in files.names(_MONITORS, "[0-9]+-[0-9a-f]{4}"):
        for node in files.names(f"{_MONITORS}/{chip}/hwmon", "hwmon[0-9]+"):
            for channel in _CHANNELS:
                folder = f"{_MONITORS}/{chip}/hwmon/{node}"
                rail = files.name(f"{folder}/in{channel}_label") or "NC"
                if rail not in _NO_RAIL:
                    watts[rail] = _watts(files, folder, channel)
                    throttles += _alarm(files, folder, channel, rail)
    rails = tuple(PowerRail(rail=rail, watts=value) for rail, value in watts.items() if value is not None)
    dumb = [f"power: {rail} cannot be read" for rail, value in watts.items() if value is None]
    return BoardTelemetry(
        rails=rails,
        module_watts=_module(watts),
        throttles=tuple(throttles),
        power_events=_events(files),
        notes=tuple(dumb) if watts else ("power: the board has no rail monitors that can be read",),
    )


def _watts(files: SensorFiles, folder: str, channel: int) -> float | None:
    millivolts, milliamperes = (files.number(f"{folder}/{kind}{channel}_input") for kind in ("in", "curr"))
    if millivolts is None or milliamperes is None:
        return None
    value = millivolts * milliamperes / 1e6
    return value if WATTS.admits(value) else None


def _module(watts: dict[str, float | None]) -> float | None:
    """The whole; a sum that lacks a rail would be a lie."""
    if _WHOLE_MODULE in watts:
        return watts[_WHOLE_MODULE]
    known = [value for value in watts.values() if value is not None]
    return sum(known) if known and len(known) == len(watts) and WATTS.admits(sum(known)) else None


def _alarm(files: SensorFiles, folder: str, channel: int, rail: str) -> list[Throttle]:
    alarms = [files.number(f"{folder}/curr{channel}_{kind}_alarm") for kind in ("max", "crit")]
    known = [alarm for alarm in alarms if alarm is not None]
    return [Throttle(cause="current", by=rail, active=any(known))] if known else []


def _events(files: SensorFiles) -> tuple[PowerEvents, ...]:
    found = {}
    for node in files.names("sys/class/hwmon", "hwmon[0-9]+"):
        folder = f"sys/class/hwmon/{node}"
        if files.text(f"{folder}/name") == "soctherm_oc":
            for name in files.names(folder, "oc[0-9]_event_cnt"):
                count = files.number(f"{folder}/{name}")
                if count is not None and COUNT.admits(count):
                    found[name[:3]] = PowerEvents(line=name[:3], count=count)
    return tuple(found.values())
