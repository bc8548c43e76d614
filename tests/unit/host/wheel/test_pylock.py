"""Of what uv resolved the wheel that fits best is taken, and the source package where none fits."""

from __future__ import annotations

from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.pylock import parse_pylock

WANTED = Wanted(requirements=(), python="3.11", arch="aarch64", libc_version="2.36")
LOCK = """
lock-version = "1.0"
[[packages]]
name = "lap"
version = "0.5.13"
sdist = { url = "https://index/lap-0.5.13.tar.gz", hashes = { sha256 = "%(s)s" } }
wheels = [
  { url = "https://index/lap-0.5.13-cp311-cp311-manylinux_2_17_aarch64.whl", hashes = { sha256 = "%(a)s" } },
  { url = "https://index/lap-0.5.13-cp311-cp311-manylinux_2_28_aarch64.whl", hashes = { sha256 = "%(b)s" } },
  { url = "https://index/lap-0.5.13-cp311-cp311-manylinux_2_39_aarch64.whl", hashes = { sha256 = "%(c)s" } },
  { url = "https://index/lap-0.5.13-cp310-cp310-manylinux_2_28_aarch64.whl", hashes = { sha256 = "%(c)s" } },
  { url = "https://index/lap-0.5.13-cp311-cp311-manylinux_2_28_x86_64.whl", hashes = { sha256 = "%(c)s" } },
]
[[packages]]
name = "cython-bbox"
version = "0.1.5"
sdist = { url = "https://index/cython_bbox-0.1.5.tar.gz", hashes = { sha256 = "%(s)s" } }
[[packages]]
name = "built"
version = "1"
wheels = [{ path = "/cache/built-1-py3-none-any.whl", hashes = { sha256 = "%(a)s" } }]
""" % {name: name * 64 for name in "abcs"}


def test_the_newest_glibc_that_the_board_has_wins_and_sources_are_known() -> None:
    built, bbox, lap = parse_pylock(LOCK, WANTED)
    assert lap.wheel is not None and lap.wheel.sha256 == "b" * 64
    assert lap.source is not None and lap.source.filename == "lap-0.5.13.tar.gz"
    assert bbox.wheel is None and bbox.source is not None
    assert bbox.source.url == "https://index/cython_bbox-0.1.5.tar.gz"
    assert built.wheel is not None and built.wheel.url == "file:///cache/built-1-py3-none-any.whl"


def test_an_older_board_takes_an_older_wheel() -> None:
    lap = parse_pylock(LOCK, Wanted(requirements=(), python="3.11", arch="aarch64", libc_version="2.19"))[2]
    assert lap.wheel is not None and lap.wheel.sha256 == "a" * 64
    assert parse_pylock(LOCK, WANTED.for_python("3.12"))[2].wheel is None
