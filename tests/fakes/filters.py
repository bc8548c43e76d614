"""What the kernel would do: a filter of system calls (classic BPF) and a program for devices (eBPF), run step by step.

Source: Linux, Documentation/networking/filter.rst; Documentation/bpf/standardization/instruction-set.rst.
"""

from __future__ import annotations

import struct

ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_MASK = 0xFFFFFFFF


def run_filter(program: bytes, *, machine: int, number: int, argument: int = 0) -> int:
    """What a filter answers to one call."""
    data = struct.pack("<IIQQ", number, machine, 0, argument)
    steps = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    at = held = 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        if code == 0x20:
            (held,) = struct.unpack_from("<I", data, value)
        elif code == 0x06:
            return value
        else:
            tests = {0x15: held == value, 0x25: held > value, 0x35: held >= value, 0x45: bool(held & value)}
            at += yes if tests[code] else no


def run_program(program: bytes, *, kind: int, access: int, major: int, minor: int) -> int:
    """What a program on a cgroup answers to the use of a device: 1 lets it."""
    steps = [struct.unpack_from("<BBhi", program, at) for at in range(0, len(program), 8)]
    context = (kind | access << 16, major, minor)
    registers = [0] * 11
    at = 0
    while True:
        code, both, offset, value = steps[at]
        to, of = both & 15, both >> 4
        at += 1
        match code:
            case 0x61:
                registers[to] = context[offset // 4]
            case 0x57:
                registers[to] &= value
            case 0x77:
                registers[to] >>= value
            case 0xB7:
                registers[to] = value
            case 0xBF:
                registers[to] = registers[of]
            case 0x15:
                at += offset if registers[to] == value else 0
            case 0x55:
                at += offset if registers[to] != value else 0
            case 0x95:
                return registers[0]
            case _:
                raise AssertionError(hex(code))
