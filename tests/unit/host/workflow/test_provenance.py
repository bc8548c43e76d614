"""What a release's provenance says of a package that was built from source."""

from __future__ import annotations

from pathlib import Path

from edgekit.host.wheel.cross.crossbuild import Result
from edgekit.host.wheel.cross.provenance import Provenance
from edgekit.host.wheel.cross.store import BuiltWheel, CachedWheel
from edgekit.host.workflow.provenance import _how_built

MADE = Provenance(
    source="one-1.0.tar.gz",
    source_sha256="a" * 64,
    backend="setuptools.build_meta",
    compiler="zig 0.15.1",
    runtime="libstdc++ 12",
    abi="cp311-aarch64-glibc2.36",
    headers="Debian",
    built_with=("setuptools==80.9.0",),
)


def test_a_package_from_the_cache_says_what_it_was_built_in_then(tmp_path: Path) -> None:
    record = BuiltWheel(
        name="one",
        version="1.0",
        filename="one-1.0-py3-none-any.whl",
        sha256="b" * 64,
        bytes=1,
        made=MADE,
        seconds=1.0,
        sandbox="none",
    )
    cached = CachedWheel(key="k", folder=tmp_path, record=record)
    told = _how_built(Result(cached=cached, pins="", from_cache=True))
    assert (told["sandbox"], told["fromCache"], told["wheelSha256"]) == ("none", True, record.sha256)
