"""Locks name wheels and source packages; what the latter are built with is in a second file."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.wheel.lock import (
    LockedFile,
    answers,
    build_lock,
    format_build_lock,
    format_lock,
    parse_build_lock,
    parse_lock,
)
from edgekit.host.wheel.needs import Wanted

WANTED = Wanted(requirements=("lap", "spidev"), python="3.11", arch="aarch64", libc_version="2.36")
FILES = (
    LockedFile(
        name="lap", version="0.5.13", sha256="a" * 64, filename="lap-0.5.13-cp311-cp311-manylinux_2_17_aarch64.whl"
    ),
    LockedFile(name="spidev", version="3.8", sha256="b" * 64, filename="spidev-3.8.tar.gz"),
)


def test_what_is_written_is_read_and_answers_its_question_alone() -> None:
    text = format_lock(WANTED, reversed(FILES))
    assert parse_lock(text, "x.txt") == FILES
    assert [file.is_wheel for file in FILES] == [True, False]
    assert answers(text, WANTED)
    assert not answers(text, WANTED.for_python("3.12"))
    assert not answers(text, WANTED.only("lap"))


@pytest.mark.parametrize(
    "line", ["lap", "lap==1", "lap==1 --hash=sha256:abc  # lap-1.whl", "lap==1 --hash=md5:0  # x.whl"]
)
def test_a_line_that_is_none_is_named(line: str) -> None:
    with pytest.raises(InputError, match=r"x\.txt: line 2 is no locked package"):
        parse_lock(f"# a comment\n{line}\n", "x.txt")


def test_build_requirements_keep_their_hashes_by_package() -> None:
    pins = {
        ("spidev", "b" * 64): "setuptools==84.2.1 \\\n    --hash=sha256:" + "c" * 64,
        ("evdev", "d" * 64): "wheel==1.0 --hash=sha256:" + "e" * 64,
    }
    text = format_build_lock("virt-arm64.txt", pins)
    assert parse_build_lock(text) == {key: value + "\n" for key, value in pins.items()}
    assert parse_build_lock("") == {}
    assert build_lock(Path("locks/virt-arm64.txt")) == Path("locks/virt-arm64.build.txt")
