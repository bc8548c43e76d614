"""Boards' sensors as file trees: /sys and debugfs, laid out below a folder from a short TOML table.

A table has
    zones       type of a thermal zone = millidegrees; "fails" cannot be read
    cooling     type of a cooling device = its state
    monitors    chip address = channels, each {label, mv, ma, alarm}; of mv or ma "fails" cannot be read
    devfreq     node = {name: the device tree's, files...}
    policies    number of a cpufreq policy = [kHz now, kHz at most]
    files       further files by path
What cannot be read is a folder in a file's place: reading it fails for root too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def build_sensors(table: Mapping[str, Any], root: Path) -> Path:
    """Lay a table out below `root`, which need not be there."""
    files: dict[str, object] = dict(table.get("files", {}))
    for number, (kind, value) in enumerate(table.get("zones", {}).items()):
        files |= {f"sys/class/thermal/thermal_zone{number}/type": kind}
        files |= {f"sys/class/thermal/thermal_zone{number}/temp": value}
    for number, (kind, state) in enumerate(table.get("cooling", {}).items()):
        files |= {f"sys/class/thermal/cooling_device{number}/type": kind}
        files |= {f"sys/class/thermal/cooling_device{number}/cur_state": state}
    for number, (chip, channels) in enumerate(table.get("monitors", {}).items()):
        folder = f"sys/bus/i2c/drivers/ina3221/{chip}/hwmon/hwmon{number}"
        for place, channel in enumerate(channels, 1):
            files[f"{folder}/in{place}_label"] = channel["label"]
            files[f"{folder}/in{place}_input"] = channel["mv"]
            files[f"{folder}/curr{place}_input"] = channel["ma"]
            if "alarm" in channel:
                files[f"{folder}/curr{place}_max_alarm"] = channel["alarm"]
    for node, content in table.get("devfreq", {}).items():
        named = {"device/of_node/name": f"{content['name']}\0"} if "name" in content else {}
        rest = {name: text for name, text in content.items() if name != "name"}
        files |= {f"sys/class/devfreq/{node}/{path}": text for path, text in (named | rest).items()}
    for number, (now, limit) in table.get("policies", {}).items():
        folder = f"sys/devices/system/cpu/cpufreq/policy{number}"
        files |= {f"{folder}/scaling_cur_freq": now, f"{folder}/scaling_max_freq": limit}
    root.mkdir(parents=True, exist_ok=True)
    for path, value in files.items():
        _write(root / path, value)
    return root


def _write(file: Path, value: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if value == "fails":
        file.mkdir()
    else:
        file.write_text(f"{value}\n")
