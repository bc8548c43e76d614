"""Which requests bring a release's files: small ones together, large ones in pieces, and all of it counted before."""

from __future__ import annotations

import os
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import TrustError
from edgekit.host.link.sending import (
    Outgoing,
    OutgoingRelease,
    Wording,
    count_bytes,
    plan_transfer,
    requests_of,
)
from edgekit.host.release.folder import open_release
from edgekit.host.workflow.shipment import outgoing_release
from edgekit.schema.control import MissingBlob
from tests.fakes.releases import make_release, write_release

SMALL = {f"app/small-{number:03}": b"%03d" % number * 1000 for number in range(300)}
RELEASE = make_release(extra={**SMALL, "app/large": b"large" * 100_000, "app/noise": os.urandom(60_000)})
BLOBS = {sha256: data for sha256, data in RELEASE.blobs.items() if data}
ALL = [MissingBlob(sha256=sha256, have_bytes=0) for sha256 in BLOBS]
JOINS = Wording(packs=True, joins=True)


@pytest.fixture
def release(tmp_path: Path) -> OutgoingRelease:
    write_release(RELEASE, tmp_path / "release")
    return outgoing_release(open_release(tmp_path / "release"))


def requests(release: OutgoingRelease, words: Wording, missing: list[MissingBlob] = ALL) -> list[Outgoing]:
    return list(requests_of(release, plan_transfer(release, missing, (), {}).files, words))


def arrived(sent: list[Outgoing]) -> dict[str, bytes]:
    """What a device makes of them."""
    found: dict[str, bytes] = {}
    for one in sent:
        plain = zlib.decompress(one.payload) if one.fields["encoding"] == "zlib" else one.payload
        more = one.fields.get("more", ())
        for sha256 in (one.fields["sha256"], *more):
            own = plain[: len(BLOBS[sha256])] if more else plain
            found[sha256] = found.get(sha256, b"") + own
            plain = plain[len(own) :]
        assert not plain
    return found


@pytest.mark.parametrize("words", [JOINS, replace(JOINS, packs=False), replace(JOINS, joins=False)], ids=repr)
def test_all_arrives(release: OutgoingRelease, words: Wording) -> None:
    sent = requests(release, words)
    assert arrived(sent) == BLOBS
    assert sum(one.advance_bytes for one in sent) == sum(map(len, BLOBS.values()))
    assert sorted(way.entry.sha256 for one in sent for way in one.brings) == sorted(BLOBS)
    transfer = plan_transfer(release, ALL, (), {})
    assert count_bytes(release, transfer, words) == sum(one.wire_bytes for one in sent)


def test_small_files_travel_together(release: OutgoingRelease) -> None:
    alone, together = requests(release, replace(JOINS, joins=False)), requests(release, JOINS)
    assert len(alone) > 300 and len(together) < 20
    assert sum(one.wire_bytes for one in together) < sum(one.wire_bytes for one in alone)
    assert all(len(one.brings) <= 200 and one.advance_bytes <= 240 << 10 for one in together)


def test_a_begun_file_goes_on_alone(release: OutgoingRelease) -> None:
    begun = MissingBlob(sha256=ALL[0].sha256, have_bytes=1)
    (first, *_) = (one for one in requests(release, JOINS, [begun, *ALL[1:]]) if one.fields["sha256"] == begun.sha256)
    assert first.fields["offset"] == 1 and not first.fields.get("more")


@pytest.mark.parametrize("words", [JOINS, replace(JOINS, joins=False)], ids=["joined", "alone"])
@pytest.mark.parametrize("fault", ["gone", "cut"])
def test_a_file_that_is_not_whole_here_is_told(release: OutgoingRelease, words: Wording, fault: str) -> None:
    file = release.file("app/small-007")
    file.unlink() if fault == "gone" else file.write_bytes(b"short")
    with pytest.raises(TrustError, match=r"small-007 is missing or cut: 3000 bytes were signed"):
        requests(release, words)
