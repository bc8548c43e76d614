"""Numbers as users and the kernel write them: byte sizes, CPU lists, versions."""

from __future__ import annotations

import re
from typing import NewType

Bytes = NewType("Bytes", int)
"""A size in bytes; written as an integer or as text such as "400MiB", "4K", "1.5 GB"."""

Cpus = NewType("Cpus", tuple[int, ...])
"""CPU numbers in the order written; the kernel's list format, "0-3,6". Source: Linux, cpuset(7), "List format"."""

_UNITS = {
    "": 1,
    "b": 1,
    "k": 1 << 10,
    "m": 1 << 20,
    "g": 1 << 30,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
}
_MAX_BYTES = (1 << 63) - 1
_MAX_CPU = 4095

BYTES_PATTERN = r"^\s*([0-9]{1,19})(?:\.([0-9]{1,9}))?\s*([KkMmGg]?[Bb]?|[KkMmGg][Ii][Bb])\s*$"
CPUS_PATTERN = r"^\s*[0-9]{1,4}(-[0-9]{1,4})?(\s*,\s*[0-9]{1,4}(-[0-9]{1,4})?)*\s*$"


def parse_bytes(text: str | int) -> Bytes:
    """Read a size. K, M, G and KiB, MiB, GiB are powers of 1024, as the kernel has them; kB, MB, GB of 1000.

    Raises:
        ValueError: not a size, below zero, or more than the kernel can count.
    """
    size = -1
    if isinstance(text, int) and not isinstance(text, bool):
        size = text
    elif isinstance(text, str) and (found := re.search(BYTES_PATTERN, text)):
        fraction = found[2] or ""
        size = int(found[1] + fraction) * _UNITS[found[3].lower()] // 10 ** len(fraction)
    if not 0 <= size <= _MAX_BYTES:
        raise ValueError('a size such as "400MiB"')
    return Bytes(size)


def format_bytes(size: int) -> str:
    """Write a size for people: `412.0 MiB`."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def counted(number: int, thing: str) -> str:
    """A number of things in words: `1 file`, `2 files`, `3 matches`, `4 entries`."""
    if number == 1:
        return f"1 {thing}"
    if thing.endswith("y") and thing[-2:-1] not in "aeiou":
        return f"{number} {thing[:-1]}ies"
    return f"{number} {thing}{'es' if thing.endswith(('s', 'sh', 'ch', 'x')) else 's'}"


def parse_cpus(text: str | int | list[int] | tuple[int, ...]) -> Cpus:
    """Read a CPU list: `"0-3,6"`, `2`, or `[0, 1]`. Order is kept, repeats and ranges that run down are refused.

    Raises:
        ValueError: not a CPU list.
    """
    cpus: list[int] = []
    if isinstance(text, str):
        cpus = _parse_list(text)
    elif isinstance(text, (list, tuple)):
        cpus = list(text)
    elif isinstance(text, int):
        cpus = [text]
    plain = all(type(cpu) is int and 0 <= cpu <= _MAX_CPU for cpu in cpus)
    if not cpus or not plain or len(set(cpus)) != len(cpus):
        raise ValueError('CPU numbers such as "0-3,6"')
    return Cpus(tuple(cpus))


def _parse_list(text: str) -> list[int]:
    """The kernel's list format; empty where it is none."""
    if not re.search(CPUS_PATTERN, text):
        return []
    cpus: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        numbers = range(int(first), int(last or first) + 1)
        if not numbers:
            return []
        cpus.extend(numbers)
    return cpus


def format_cpus(cpus: tuple[int, ...] | frozenset[int]) -> str:
    """Write CPU numbers in the kernel's list format, sorted: `0-3,6`."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def version_tuple(text: str) -> tuple[int, ...]:
    """The leading numbers of a version, for comparing: `"2.3.2 (429f97ae6b)"` gives `(2, 3, 2)`."""
    found = re.match(r"\s*v?([0-9]{1,18}(?:\.[0-9]{1,18})*)", text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()
