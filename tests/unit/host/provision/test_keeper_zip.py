"""The keeper's file: the same each time, and only what the keeper needs."""

from __future__ import annotations

import io
import re
import zipfile

from edgekit.host.provision.keeper_zip import build_keeper


def names() -> list[str]:
    return zipfile.ZipFile(io.BytesIO(build_keeper())).namelist()


def test_the_same_source_gives_the_same_bytes() -> None:
    assert build_keeper() == build_keeper()


def test_it_holds_the_keeper_and_no_more() -> None:
    found = names()
    assert found[0] == "__main__.py"
    assert found[1:] == sorted(found[1:])
    assert {
        "edgekit/errors.py",
        "edgekit/trust.py",
        "edgekit/device/keeper/daemon.py",
        "edgekit/schema/control.py",
    } < set(found)
    unwanted = {"host", "cli", "image", "imaging", "runner", "runtime", "sent", "ssh", "json"}
    assert not [
        name for name in found if unwanted & {word for part in name.split("/") for word in re.split("[_.]", part)}
    ]


def test_nothing_in_it_tells_when_or_where_it_was_made() -> None:
    for entry in zipfile.ZipFile(io.BytesIO(build_keeper())).infolist():
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert (entry.create_system, entry.external_attr >> 16) == (3, 0o644)
        assert entry.compress_type == zipfile.ZIP_STORED
