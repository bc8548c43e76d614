"""Has the kernel refuse all devices but those of some rules, to whatever runs in a cgroup.

A program for the kernel (BPF), put on the leaf: unlike a /dev of its own it lets a camera in that is plugged in later.

Source: Linux, bpf(2), Documentation/bpf/standardization/instruction-set.rst; include/uapi/linux/bpf.h,
`struct bpf_cgroup_dev_ctx`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from pathlib import Path

from edgekit.device.keeper.process.confinement.devices import DeviceRule

_SYSCALL = {"x86_64": 321, "aarch64": 280}
_LOAD, _ATTACH = 5, 8
_CGROUP_DEVICE, _TO_DEVICES, _BESIDE_OTHERS = 15, 6, 2
"""BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI: systemd may have one on a group above."""
_CHARACTER, _MAKE_NODE = 2, 1
_ATTRIBUTE_BYTES = 128

_READ, _AND, _SHIFT_RIGHT, _SET, _COPY, _END = 0x61, 0x57, 0x77, 0xB7, 0xBF, 0x95
_SKIP_IF_EQUAL, _UNLESS_EQUAL = 0x15, 0x55
_ANSWER, _CONTEXT, _ACCESS, _MAJOR, _MINOR, _KIND = 0, 1, 2, 3, 4, 5
"""Registers: the kernel gives the context in the first, and takes the answer from number 0."""


def device_program(rules: Iterable[DeviceRule]) -> bytes:
    """The program as the kernel takes it (`struct bpf_insn[]`)."""
    refuse = [_step(_SET, _ANSWER, value=0), _step(_END)]
    allow = [_step(_SET, _ANSWER, value=1), _step(_END)]
    steps = [_step(_READ, register, _CONTEXT, offset=4 * n) for n, register in enumerate((_ACCESS, _MAJOR, _MINOR))]
    steps += [_step(_COPY, _KIND, _ACCESS), _step(_AND, _KIND, value=0xFFFF)]
    steps += [_step(_SHIFT_RIGHT, _ACCESS, value=16), _step(_AND, _ACCESS, value=_MAKE_NODE)]
    steps += _checked(_KIND, _CHARACTER, refuse) + _checked(_ACCESS, 0, refuse)
    for rule in rules:
        inner = allow if rule.minor < 0 else [_step(_UNLESS_EQUAL, _MINOR, offset=len(allow), value=rule.minor), *allow]
        steps += [_step(_UNLESS_EQUAL, _MAJOR, offset=len(inner), value=rule.major), *inner]
    return b"".join([*steps, *refuse])


def hold_devices(cgroup: Path, rules: Iterable[DeviceRule], machine: str) -> str:
    """Put a program on a cgroup. It goes with the cgroup.

    Returns:
        Why that was not possible, or empty.
    """
    number = _SYSCALL.get(machine)
    try:
        import ctypes  # noqa: PLC0415  a board's Python may lack it
    except ImportError:
        return "this Python has no ctypes"
    if number is None:
        return "not known for this processor"
    program = ctypes.create_string_buffer(device_program(rules))
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    call = ctypes.CDLL(None, use_errno=True).syscall
    count, at = (len(program) - 1) // 8, ctypes.addressof(program)
    loading = struct.pack("=IIQQ", _CGROUP_DEVICE, count, at, ctypes.addressof(licence))
    loaded = call(number, _LOAD, loading.ljust(_ATTRIBUTE_BYTES, b"\0"), _ATTRIBUTE_BYTES)
    if loaded < 0:
        return os.strerror(ctypes.get_errno())
    try:
        group = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        os.close(loaded)
        return str(error.strerror)
    try:
        attaching = struct.pack("=IIII", group, loaded, _TO_DEVICES, _BESIDE_OTHERS)
        done = call(number, _ATTACH, attaching.ljust(_ATTRIBUTE_BYTES, b"\0"), _ATTRIBUTE_BYTES)
        return os.strerror(ctypes.get_errno()) if done else ""
    finally:
        os.close(group)
        os.close(loaded)


def _checked(register: int, value: int, otherwise: list[bytes]) -> list[bytes]:
    """Go on where a register has a value."""
    return [_step(_SKIP_IF_EQUAL, register, offset=len(otherwise), value=value), *otherwise]


def _step(code: int, to: int = 0, of: int = 0, *, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("<BBhi", code, to | of << 4, offset, value)
