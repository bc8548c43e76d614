"""Sizes, CPU lists and versions, as people and the kernel write them."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.schema.units import (
    ANY_SIZE,
    CPUS_PATTERN,
    MAX_BYTES,
    SmallestUnit,
    counted,
    format_bytes,
    format_cpus,
    format_rate,
    leading_version,
    parse_bytes,
    parse_cpus,
    version_tuple,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("400MiB", 400 << 20),
        ("400M", 400 << 20),
        ("1.5 GiB", 3 << 29),
        ("1.5GB", 1_500_000_000),
        ("4k", 4096),
        ("4kB", 4000),
        (" 7 b ", 7),
        ("0", 0),
        (0, 0),
        (4096, 4096),
        ("900719925474099", 900719925474099),
        ("999999GiB", 999999 << 30),
        ("0.1 KiB", 102),
    ],
)
def test_sizes(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "MiB", "4 QiB", "-1", -1, "1e3", "1.", ".5", "4MiB4", "٤K", True, 1.5, None, [1], 1 << 50, "9" * 400, "1iB"],
)
def test_no_sizes(text: object) -> None:
    with pytest.raises(ValueError, match="a size such as"):
        parse_bytes(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0-3,6", (0, 1, 2, 3, 6)),
        ("2", (2,)),
        (2, (2,)),
        ("6, 4-5", (6, 4, 5)),
        ([3, 1], (3, 1)),
        ("0-0", (0,)),
        ("3-1", (3, 2, 1)),
        ("0-2,1", (0, 1, 2)),
        ([0, 0], (0,)),
    ],
)
def test_cpu_lists(text: str | int | list[int], cpus: tuple[int, ...]) -> None:
    assert parse_cpus(text) == cpus


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",".join(["0"] * 257),
        "0009",
        [],
        [True],
        True,
        -1,
        [-1],
        4096,
        "4096",
        "1-",
        "0:3",
        "٣",
        None,
        [[1]],
        [1.0],
    ],
)
def test_no_cpu_lists(text: object) -> None:
    with pytest.raises(ValueError, match="CPU numbers such as"):
        parse_cpus(text)  # type: ignore[arg-type]


@settings(max_examples=60)
@given(st.sets(st.integers(0, 4095), min_size=1))
def test_cpus_are_written_as_the_kernel_does(cpus: set[int]) -> None:
    text = format_cpus(frozenset(cpus))
    assert parse_cpus(text) == tuple(sorted(cpus))
    assert re.fullmatch(CPUS_PATTERN, text)


@settings(max_examples=200)
@given(st.text(alphabet="0123456789.,- KkMmGgiIbB", max_size=8), st.sampled_from([ANY_SIZE, *map(SmallestUnit, "KM")]))
def test_what_reads_is_what_the_schemas_patterns_allow(text: str, smallest: SmallestUnit) -> None:
    """Editors mark what is wrong and nothing else."""
    for pattern, parse in ((smallest.pattern, lambda text: parse_bytes(text, smallest)), (CPUS_PATTERN, parse_cpus)):
        try:
            parse(text)
        except ValueError:
            assert not re.fullmatch(pattern, text)
        else:
            assert re.fullmatch(pattern, text)


@pytest.mark.parametrize(("unit", "least"), [("K", "1kB"), ("M", "1MB")])
def test_a_size_has_a_least_and_a_most(unit: Literal["K", "M"], least: str) -> None:
    smallest = SmallestUnit(unit)
    assert parse_bytes(least, smallest) == parse_bytes(smallest.least, smallest) == smallest.least
    assert parse_bytes(MAX_BYTES, smallest) == MAX_BYTES
    for size in ("1B", "999", smallest.least - 1, MAX_BYTES + 1, "0.5GiB"):
        with pytest.raises(ValueError, match="or more"):
            parse_bytes(size, smallest)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (412 << 20, "412.0 MiB"), (5 << 40, "5120.0 GiB")],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("2.3.2 (429f97ae6b@2025)", (2, 3, 2)), ("v0.9.8", (0, 9, 8)), ("36.4.7-2025", (36, 4, 7)), ("", ()), ("new", ())],
)
def test_versions(text: str, numbers: tuple[int, ...]) -> None:
    assert version_tuple(text) == numbers


def test_versions_compare_as_numbers() -> None:
    assert version_tuple("2.9") < version_tuple("2.36")
    assert version_tuple("10.3.0.30") < version_tuple("10.16.2.10")


@pytest.mark.parametrize(
    ("number", "thing", "words"),
    [
        (1, "file", "1 file"),
        (0, "file", "0 files"),
        (2, "entry", "2 entries"),
        (2, "day", "2 days"),
        (3, "box", "3 boxes"),
    ],
)
def test_a_number_of_things(number: int, thing: str, words: str) -> None:
    assert counted(number, thing) == words


@pytest.mark.parametrize(("text", "version"), [("10.3.0.30-1+cuda12.5", "10.3.0.30"), ("8", "8"), ("", ""), ("v1", "")])
def test_the_leading_version_of_a_package(text: str, version: str) -> None:
    assert leading_version(text) == version


@pytest.mark.parametrize(
    ("fps", "text"),
    [
        (9.98, "10.0"),
        (24.97, "25.0"),
        (1.0, "1.0"),
        (0.2496, "0.25"),
        (0.0396, "0.04"),
        (0.00278, "0.0028"),
        (0, "0.0"),
    ],
)
def test_rates_are_told_as_they_are_meant_and_slow_ones_are_no_others(fps: float, text: str) -> None:
    assert format_rate(fps) == text
