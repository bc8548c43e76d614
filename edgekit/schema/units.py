"""Numbers as users and the kernel write them: byte sizes, CPU lists, versions."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NewType

Bytes = NewType("Bytes", int)
"""A size in bytes; written as an integer or as text such as "400MiB", "4K", "1.5 GB"."""

Cpus = NewType("Cpus", tuple[int, ...])
"""CPU numbers in the order written: the kernel's list format, "0-3,6", a list of numbers, or one number.

Source: Linux, cpuset(7), "List format". Beyond it, "6-4" runs down: the order is the user's.
"""

CpuList = NewType("CpuList", tuple[int | str, ...])
"""`Cpus` where a bare number means something else: text or a list alone; or names of clusters, "big" or a list."""

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
MAX_BYTES = (1 << 50) - 1
"""A petabyte: more than any board, card or file has."""
MAX_CPU = 4095
MAX_CPUS = MAX_CPU + 1
CPUS_WORDS = 'CPU numbers such as "0-3,6"'
CPU_LIST_WORDS = f'{CPUS_WORDS} or clusters such as "big"'
CLUSTER_PATTERN = "[A-Za-z][A-Za-z0-9_-]{0,62}"
MAX_CLUSTERS = 16

_NUMBER = "([0-9]{1,15})(?:[.]([0-9]{1,9}))?"
_BYTES = re.compile(f" *{_NUMBER} *([KkMmGg]?(?:[Ii]?[Bb])?) *")
_FRACTION = "(?:[.][0-9]{1,9})?"
_SUFFIX = "(?:[Ii]?[Bb])?"
_UNITS_FROM = {"K": "KkMmGg", "M": "MmGg"}
_CPU = "(?:[0-9]{1,3}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-5])"
_CPU_RANGE = f" *{_CPU}(?:-{_CPU})? *"
CPUS_PATTERN = f"{_CPU_RANGE}(?:,{_CPU_RANGE}){{0,255}}"


@dataclass(frozen=True, slots=True)
class SmallestUnit:
    """The least unit that a size may be written in, as text; as a number it is that many bytes at least.

    A bound that a pattern can say: "1B" of memory is a slip, and one megabyte is where sense begins.
    """

    unit: Literal["", "K", "M"]

    @property
    def least(self) -> int:
        """The least number of bytes that can be written."""
        return {"": 0, "K": 1000, "M": 1_000_000}[self.unit]

    @property
    def pattern(self) -> str:
        """Of the texts; every one of them is below `MAX_BYTES`."""
        if self.unit:
            return f" *[1-9][0-9]{{0,5}}{_FRACTION} *[{_UNITS_FROM[self.unit]}]{_SUFFIX} *"
        return f" *(?:[0-9]{{1,15}} *[Bb]?|[0-9]{{1,6}}{_FRACTION} *[KkMmGg]{_SUFFIX}) *"

    @property
    def words(self) -> str:
        """What is expected."""
        return 'a size such as "400MiB"' + {"": "", "K": ", 1 kB or more", "M": ", 1 MB or more"}[self.unit]


ANY_SIZE = SmallestUnit("")


def parse_bytes(text: str | int, smallest: SmallestUnit = ANY_SIZE) -> Bytes:
    """Read a size. K, M, G and KiB, MiB, GiB are powers of 1024, as the kernel has them; kB, MB, GB of 1000.

    Raises:
        ValueError: not a size, below the least, or more than any machine has.
    """
    if isinstance(text, int) and not isinstance(text, bool) and smallest.least <= text <= MAX_BYTES:
        return Bytes(text)
    if isinstance(text, str) and re.fullmatch(smallest.pattern, text) and (found := _BYTES.fullmatch(text)):
        fraction = found[2] or ""
        return Bytes(int(found[1] + fraction) * _UNITS[found[3].lower()] // 10 ** len(fraction))
    raise ValueError(smallest.words)


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


def near_rate(fps: float) -> float:
    """Pictures a second as they are meant, of a rate that was measured: 9.98 is 10.0, 0.2496 is 0.25."""
    return round(fps, 1) if fps >= 1 else float(f"{fps:.2g}")


def format_rate(fps: float) -> str:
    """Write pictures a second for people: `24.9`; of less than one `0.25`."""
    return f"{near_rate(fps)}"


def parse_cpus(text: str | int | list[int] | tuple[int, ...]) -> Cpus:
    """Read CPU numbers: `"0-3,6"`, `2`, or `[0, 1]`. Order is kept, and a number that comes again counts once.

    Raises:
        ValueError: not a CPU list.
    """
    found = _cpu_numbers([text] if isinstance(text, int) else text)
    if not found:
        raise ValueError(CPUS_WORDS)
    return Cpus(found)


def parse_cpu_list(text: str | list[int | str] | tuple[int | str, ...]) -> CpuList:
    """Read CPU numbers where a bare number means something else, or names of clusters. Raises ValueError."""
    names = [text] if isinstance(text, str) else text
    if isinstance(names, (list, tuple)) and 0 < len(names) <= MAX_CLUSTERS and all(map(_is_cluster, names)):
        return CpuList(tuple(dict.fromkeys(names)))
    found = _cpu_numbers(text)
    if not found:
        raise ValueError(CPU_LIST_WORDS)
    return CpuList(found)


def _is_cluster(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(CLUSTER_PATTERN, name) is not None


def _cpu_numbers(text: object) -> tuple[int, ...]:
    """Empty where it is no CPU list."""
    cpus: Iterable[int] = ()
    if isinstance(text, str) and re.fullmatch(CPUS_PATTERN, text):
        cpus = itertools.chain.from_iterable(map(_range, text.split(",")))
    elif isinstance(text, (list, tuple)) and len(text) <= MAX_CPUS:
        cpus = text if all(type(cpu) is int and 0 <= cpu <= MAX_CPU for cpu in text) else ()
    return tuple(dict.fromkeys(cpus))


def _range(part: str) -> Iterable[int]:
    """The numbers of `4-6`, `6-4` or `5`."""
    first, _, last = part.strip().partition("-")
    low, high = int(first), int(last or first)
    return range(low, high + 1) if low <= high else range(low, high - 1, -1)


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


def leading_version(text: str) -> str:
    """The upstream version of a package's: `"10.3.0.30-1+cuda12.5"` gives `"10.3.0.30"`; empty where there is none."""
    found = re.match(r"[0-9]+(\.[0-9]+)*", text)
    return found.group() if found else ""
