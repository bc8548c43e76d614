"""What helps against each cause, where whoever found it said nothing better."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

HINTS: Mapping[str, str] = MappingProxyType(
    {
        "accelerator": "see the kernel's log on the device: dmesg | grep -iE 'nvgpu|rknpu'; reboot it",
        "bad_model": "build the release again from its model, and try it first: edgekit engine verify",
        "camera_gone": "look at its power, cable and address: edgekit settings show DEVICE",
        "clock_jump": "set the device's clock (timedatectl set-ntp true on it), then deploy again: the keys are good",
        "colour_mismatch": "correct matrix and range in the recipe's source, build and deploy again",
        "crash": "edgekit logs DEVICE shows what it wrote before; mend it, build and deploy again",
        "crash_loop": "edgekit logs DEVICE shows what it wrote; edgekit rollback DEVICE goes one release back",
        "damaged": "edgekit deploy the release again: what is damaged is sent anew; check the device's disk",
        "disk_full": "free space on the device: edgekit status DEVICE shows what releases take; then deploy again",
        "engine_version": "build the release for the runtime that edgekit doctor DEVICE shows, and deploy it",
        "golden": "compare model, contract and engine with the recipe's: edgekit golden",
        "hang": "edgekit logs DEVICE shows where it stood; health.start_s and stall_s in recipe.toml give it longer",
        "keeper": "on the device, journalctl -u edgekitd and dmesg say who ended it",
        "key_age": "edgekit keys rotate makes a new key; then build again and deploy",
        "missing_library": "add it to the recipe's python.requirements, or install the board maker's package of it",
        "out_of_memory": "raise limits.memory_max in recipe.toml, or take a smaller model or fewer streams",
        "port_taken": "end what holds the port, or give the application another one",
        "power": "look at the device's supply; edgekit status DEVICE shows whether it was too weak",
        "signature": "sign the release with a key that the device trusts: edgekit keys list",
        "unhealthy": "edgekit status DEVICE shows the figures; the gates are in [health] of recipe.toml",
        "wrong_board": "build the release for the device's own target: edgekit target probe",
        "other": "edgekit logs DEVICE shows more",
    }
)
FOLDER_FULL = "let the application delete what it no longer needs, or raise limits.work_max in recipe.toml"
"""Where a worker may take no more of a disk that has room."""
