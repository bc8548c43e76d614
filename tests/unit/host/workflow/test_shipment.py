"""What a deployment sends where the device has an older release: few bytes, counted before, and never twice."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.cache import Cache
from edgekit.host.link.client import KeeperClient
from edgekit.host.link.delta import patch_set
from edgekit.host.link.delta.files import ReleaseFiles
from edgekit.host.link.delta.lzma_patch import can_patch
from edgekit.host.link.delta.patch_set import PatchSets
from edgekit.host.link.sending import OutgoingRelease
from edgekit.host.progress import Silent
from edgekit.host.release.folder import open_release
from edgekit.host.workflow.deploy import Deployment
from edgekit.host.workflow.past_releases import PastReleases
from edgekit.host.workflow.shipment import Deltas, SendLimits, Shipment, outgoing_release
from edgekit.schema.fleet import Device
from tests.fakes.keeper_link import APPLICATION, FakeLink
from tests.fakes.releases import FakeRelease, make_release, write_release

pytestmark = pytest.mark.skipif(not can_patch(), reason="no liblzma on this machine")

LIBRARY = os.urandom(400_000)
PARTS = [os.urandom(1000) for _ in range(300)]
TEXT = b" ".join(b"%d" % (number * number) for number in range(9000))
OLD = make_release(extra={"site/lib-1.0.so": LIBRARY, "app/a": b"one", "app/text": TEXT})
NEW = make_release(
    extra={
        "site/lib-1.1.so": b"".join(LIBRARY[at * 1000 : at * 1000 + 900] + PARTS[at] for at in range(300)),
        "app/a": b"two",
        "app/text": TEXT,
    }
)
NO_LIMITS = SendLimits()
DEVICE = Device(name="gate-7", address="root@gate-7")


@pytest.fixture
def deltas(tmp_path: Path) -> Deltas:
    """A machine that sent OLD before."""
    write_release(OLD, tmp_path / "old")
    write_release(NEW, tmp_path / "new")
    past = PastReleases(Cache(tmp_path / "cache/releases"))
    past.keep(open_release(tmp_path / "old"))
    return Deltas(find=past.first_of, patches=PatchSets(Cache(tmp_path / "cache/patches"), Silent()).get)


def has_old() -> FakeLink:
    link = FakeLink(blobs={sha: data for sha, data in OLD.blobs.items() if data})
    link.manifests[OLD.digest] = OLD.manifest_json
    link.application = replace(APPLICATION)
    link.commit(OLD.digest)
    return link


def outgoing(folder: Path, release: FakeRelease = NEW) -> OutgoingRelease:
    return OutgoingRelease(
        manifest=release.manifest,
        manifest_bytes=release.manifest_json,
        signature=release.signature,
        digest=release.digest,
        file=lambda path: folder / "new/files" / path,
    )


def deployment(link: FakeLink, folder: Path, deltas: Deltas, limits: SendLimits = NO_LIMITS) -> Deployment:
    return Deployment(
        device=DEVICE,
        executor=link,
        release=outgoing(folder),
        check_fits=lambda _status: None,
        holder="ann@desk",
        progress=Silent(),
        watch=lambda _: None,
        deltas=deltas,
        limits=limits,
        sleep=lambda _: None,
    )


def arrived(link: FakeLink) -> bool:
    return all(link.blobs.get(sha) == data for sha, data in NEW.blobs.items() if data)


def test_what_is_counted_before_is_what_is_sent(tmp_path: Path, deltas: Deltas) -> None:
    with KeeperClient(DEVICE, has_old()) as keeper:
        shipment = Shipment(device="gate-7", release=outgoing(tmp_path), progress=Silent(), deltas=deltas)
        transfer = shipment.plan(keeper, shipment.offer(keeper, keeper.status()))
        count = shipment.count(keeper, transfer)
    link = has_old()
    told = deployment(link, tmp_path, deltas).run()
    assert arrived(link) and told.sent_patches == transfer.patches == 1
    assert told.sent_bytes == count
    assert told.sent_bytes < 310_000 < told.release_bytes, "what is new, and little else"


def test_a_cache_that_cannot_be_written_costs_patches_and_no_deployment(tmp_path: Path, deltas: Deltas) -> None:
    (tmp_path / "cache/patches").write_text("no folder")
    link = has_old()
    told = deployment(link, tmp_path, deltas).run()
    assert arrived(link) and told.changed and told.sent_patches == 0


def test_a_patch_for_which_there_is_no_memory_is_not_made(
    tmp_path: Path, deltas: Deltas, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(_base: bytes, _content: bytes) -> bytes:
        raise MemoryError("liblzma makes no patch: 5")

    monkeypatch.setattr(patch_set, "make_patch", none_left)
    link = has_old()
    told = deployment(link, tmp_path, deltas).run()
    assert arrived(link) and told.sent_patches == 0


def test_more_bytes_than_allowed_are_refused_before_any_file_is_sent(tmp_path: Path, deltas: Deltas) -> None:
    most = deployment(has_old(), tmp_path, deltas).run().sent_bytes
    assert deployment(has_old(), tmp_path, deltas, SendLimits(max_bytes=most)).run().sent_bytes == most
    link = has_old()
    with pytest.raises(InputError, match=f"would be sent {most} bytes"):
        deployment(link, tmp_path, deltas, SendLimits(max_bytes=most - 1)).run()
    assert not {"chunk", "patch"} & set(link.verbs())


@pytest.mark.parametrize("broken", [("patch", 2), ("missing", 1), ("chunk", 1), ("install", 1)])
def test_a_broken_link_is_gone_on_with_inside_the_patch(
    tmp_path: Path, deltas: Deltas, broken: tuple[str, int]
) -> None:
    whole = deployment(has_old(), tmp_path, deltas).run().sent_bytes
    link = has_old()
    link.breaks = [broken]
    told = deployment(link, tmp_path, deltas).run()
    assert arrived(link) and link.connections == 2
    assert told.sent_bytes < whole + 140_000, "one piece was lost, and the manifest came as a patch of itself"


def test_a_base_that_is_gone_costs_its_file_alone(tmp_path: Path, deltas: Deltas) -> None:
    link = has_old()
    del link.blobs[next(entry.sha256 for entry in OLD.manifest.files if entry.path == "site/lib-1.0.so")]
    told = deployment(link, tmp_path, deltas).run()
    assert arrived(link) and told.changed
    assert told.sent_bytes > 560_000, "the patch, and the file whole"


def test_a_keeper_that_takes_no_patches_gets_files(tmp_path: Path, deltas: Deltas) -> None:
    link = has_old()
    link.features = ("zlib", "applications")
    told = deployment(link, tmp_path, deltas).run()
    assert arrived(link) and told.sent_patches == 0


def test_bytes_that_count_are_packed_without_a_base_too(tmp_path: Path, deltas: Deltas) -> None:
    link = FakeLink()
    told = deployment(link, tmp_path, deltas, SendLimits(bandwidth_bytes_per_s=1 << 30)).run()
    plain = deployment(FakeLink(), tmp_path, deltas).run()
    assert arrived(link) and told.sent_patches > 0 and told.sent_bytes < plain.sent_bytes


def test_a_kept_release_that_was_changed_is_none(tmp_path: Path, deltas: Deltas) -> None:
    found = deltas.find([NEW.digest, OLD.digest])
    assert isinstance(found, ReleaseFiles) and found.digest == OLD.digest
    file = found.file("app/a")
    file.chmod(0o600)
    file.write_bytes(b"eno")
    assert deltas.find([OLD.digest]) is None


@pytest.mark.parametrize("dear", [False, True])
def test_without_a_base_a_manifest_is_packed_and_patched_from_nothing_where_bytes_are_dear(
    tmp_path: Path, dear: bool
) -> None:
    """A patch starts a program on the device: seconds, where its CPU is slow."""
    write_release(NEW, tmp_path / "new")
    link = FakeLink()
    limits = SendLimits(max_bytes=10 << 20) if dear else NO_LIMITS
    release = outgoing_release(open_release(tmp_path / "new"))
    shipment = Shipment(device="gate-7", release=release, progress=Silent(), limits=limits)
    with KeeperClient(DEVICE, link) as keeper:
        shipment.offer(keeper, keeper.status())
    (offer,) = (request for request in link.asked if request.verb == "offer")
    assert offer.encoding == ("raw" if dear else "zlib")
    assert offer.size_bytes == len(NEW.manifest_json) > 2 * offer.payload_bytes - 1000
