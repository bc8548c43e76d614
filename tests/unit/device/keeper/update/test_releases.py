"""Releases are verified first, laid out whole or not at all, and refused with the paths that are wrong."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.update.clearing_out import References
from edgekit.errors import NothingSelected, RolloutError, TrustError
from edgekit.host.release.statement import make_statement
from edgekit.schema.message import to_line, to_message
from edgekit.schema.provenance import signed_bytes
from tests.fakes.keeper import Bench, pulse
from tests.fakes.releases import FakeRelease, make_plan, make_release
from tests.fakes.signers import fake_signature
from tests.unit.host.release.test_envelope import BEGAN, MAKING


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def signed(text: str) -> tuple[bytes, bytes]:
    return text.encode(), fake_signature(text.encode())


def test_an_installed_release_is_whole(bench: Bench) -> None:
    release = make_release()
    bench.install(release)
    bench.install(release)
    folder = bench.layout.release(release.digest)
    for entry in release.manifest.files:
        assert (folder / entry.path).read_bytes() == release.blobs[entry.sha256]
    assert (folder / "tool").stat().st_mode & 0o777 == 0o555
    assert (folder / "plan.json").stat().st_nlink == 2
    found = bench.releases.trusted(release.digest)
    assert (found.ref.application, found.ref.version, found.ref.signer) == ("sorter", "1.0.0", "ann@example.org")
    assert [path.name for path in bench.layout.releases_dir.iterdir()] == [release.digest]


def test_a_wrong_signer_or_another_text_is_refused(bench: Bench) -> None:
    release = make_release()
    with pytest.raises(TrustError):
        bench.releases.open_offer(release.manifest_json, fake_signature(release.manifest_json, "eve@example.org"))
    with pytest.raises(TrustError):
        bench.releases.open_offer(release.manifest_json + b" ", release.signature)
    with pytest.raises(TrustError):
        bench.releases.open_offer(release.manifest_json, b"")


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 1}', "[" * 100_000])
def test_a_signed_text_that_is_no_manifest_is_refused(bench: Bench, text: str) -> None:
    with pytest.raises(TrustError, match="refused"):
        bench.releases.open_offer(*signed(text))


@pytest.mark.parametrize("path", ["../out", "/abs", "a//b", "manifest.json", "provenance.json", "a/../b"])
def test_a_path_that_leaves_the_folder_is_refused(bench: Bench, path: str) -> None:
    raw = json.loads(make_release().manifest_json)
    raw["files"][0]["path"] = path
    with pytest.raises(TrustError, match="refused"):
        bench.releases.open_offer(*signed(json.dumps(raw)))


def test_two_sizes_for_one_blob_are_refused(bench: Bench) -> None:
    raw = json.loads(make_release().manifest_json)
    raw["files"].append({**raw["files"][-1], "path": "zzz", "bytes": 5})
    with pytest.raises(TrustError, match="two sizes"):
        bench.releases.open_offer(*signed(json.dumps(raw)))


def test_a_missing_blob_is_named_and_nothing_is_left(bench: Bench) -> None:
    release = make_release(extra={"engines/net.onnx": b"weights"})
    bench.send(release)
    entry = next(entry for entry in release.manifest.files if entry.path == "engines/net.onnx")
    bench.layout.blob(entry.sha256).unlink()
    refuse(bench, release, "missing or damaged: engines/net.onnx")


@pytest.mark.parametrize("index", range(4))
def test_a_flipped_byte_in_any_file_is_found(bench: Bench, index: int) -> None:
    release = make_release()
    bench.send(release)
    entry = [entry for entry in release.manifest.files if entry.bytes][index % 3]
    blob = bench.layout.blob(entry.sha256)
    blob.chmod(0o644)
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    refuse(bench, release, f"missing or damaged: {entry.path}")
    bench.install(release)


def refuse(bench: Bench, release: FakeRelease, match: str) -> None:
    offered = bench.releases.open_offer(release.manifest_json, release.signature)
    with pytest.raises(RolloutError, match=match):
        bench.releases.install(offered)
    assert not list(bench.layout.releases_dir.iterdir())


@pytest.mark.parametrize(
    "plan",
    [
        replace(make_plan(), site="../../usr"),
        replace(make_plan(), python_path="python3"),
    ],
)
def test_a_plan_that_points_elsewhere_is_refused(bench: Bench, plan: object) -> None:
    with pytest.raises(RolloutError, match="must not"):
        bench.install(make_release(plan=plan))  # type: ignore[arg-type]
    assert not list(bench.layout.releases_dir.iterdir())


@pytest.mark.parametrize("name", ["../etc", "", "Sorter", "a.gone", "a/b"])
def test_an_application_that_could_not_have_a_folder_is_refused(bench: Bench, name: str) -> None:
    raw = json.loads(make_release().manifest_json) | {"application": name}
    with pytest.raises(TrustError, match="no valid name"):
        bench.releases.open_offer(*signed(json.dumps(raw)))


def test_a_plan_of_another_application_than_the_manifests_is_refused(bench: Bench) -> None:
    raw = json.loads(make_release().manifest_json) | {"application": "counter"}
    text, signature = signed(json.dumps(raw))
    bench.send(make_release())
    with pytest.raises(TrustError, match="is of application sorter, the release of counter"):
        bench.releases.install(bench.releases.open_offer(text, signature))
    assert not list(bench.layout.releases_dir.iterdir())


def test_a_release_whose_signer_was_removed_is_not_activated(bench: Bench) -> None:
    release = make_release()
    bench.install(release)
    bench.keygen.allowed = ()
    with pytest.raises(TrustError):
        bench.releases.trusted(release.digest)


def test_what_is_not_installed_is_said_so(bench: Bench) -> None:
    with pytest.raises(NothingSelected):
        bench.releases.trusted("0" * 64)


def test_collecting_keeps_what_is_needed(bench: Bench) -> None:
    old, new = make_release("healthy"), make_release("unhealthy", extra={"only": b"here"})
    bench.install(old)
    bench.install(new)
    bench.collect(old.digest)
    assert [path.name for path in bench.layout.releases_dir.iterdir()] == [old.digest]
    blobs = {path.name.split(".")[0] for path in bench.layout.store_dir.rglob("*") if path.is_file()}
    assert blobs == set(old.blobs)


@pytest.mark.parametrize("harm", ["gone", "cut", "link", "manifest", "no signature"])
def test_a_release_that_is_not_whole_is_named_refused_and_laid_out_anew(bench: Bench, harm: str) -> None:
    release = make_release(extra={"engines/net.onnx": b"weights"})
    bench.install(release)
    folder = bench.layout.release(release.digest)
    file = folder / "engines/net.onnx"
    match harm:
        case "gone":
            file.unlink()
        case "cut":
            file.chmod(0o644)
            file.write_bytes(b"")
        case "link":
            file.unlink()
            file.symlink_to("/etc/hostname")
        case "manifest":
            (folder / "manifest.json").write_bytes(b"{}")
        case "no signature":
            (folder / "manifest.json.sig").unlink()
    assert not bench.releases.installed(release.digest)
    with pytest.raises(RolloutError, match=r"is not whole on the device: (engines/net.onnx is|its manifest)") as caught:
        bench.releases.trusted(release.digest)
    assert caught.value.hint.startswith("edgekit deploy it again")
    bench.install(release)
    assert bench.releases.trusted(release.digest).ref.digest == release.digest
    assert file.read_bytes() == b"weights"
    assert [path.name for path in bench.layout.releases_dir.iterdir()] == [release.digest]


def test_of_many_missing_files_five_are_named(bench: Bench) -> None:
    names = [f"engines/{number}" for number in range(7)]
    release = make_release(extra={name: name.encode() for name in names})
    bench.send(release)
    for count in (5, 7):
        for entry in release.manifest.files:
            if entry.path in names[:count]:
                bench.layout.blob(entry.sha256).unlink(missing_ok=True)
        more = " and 2 more" if count == 7 else ""
        offered = bench.releases.open_offer(release.manifest_json, release.signature)
        with pytest.raises(RolloutError) as caught:
            bench.releases.install(offered)
        assert caught.value.message == f"missing or damaged: {', '.join(names[:5])}{more}"
        assert caught.value.details.splitlines() == names[:count], "every one that is missing"


def test_files_of_one_folder_lie_together(bench: Bench) -> None:
    release = make_release(extra={"a/b/2": b"2", "a/c": b"3", "a/d": b"4"})
    bench.install(release)
    folder = bench.layout.release(release.digest)
    assert sorted(path.name for path in (folder / "a").iterdir()) == ["b", "c", "d"]


def test_releases_of_a_lost_state_stay_and_what_is_no_release_goes(bench: Bench) -> None:
    release = make_release()
    bench.install(release)
    for name, text in {"0" * 64: '{"application": "counter"}', "1" * 64: "[]", "2" * 64: "{", "3" * 64: "{}"}.items():
        bench.layout.release(name).mkdir()
        (bench.layout.release(name) / "manifest.json").write_text(text)
    bench.layout.release("4" * 64).mkdir()
    unfinished = bench.layout.releases_dir / f"{'5' * 64}.tmp"
    unfinished.mkdir()
    (unfinished / "manifest.json").write_text('{"application": "sorter"}')
    bench.releases.clearing.collect(lambda: References(digests=(), lost=("sorter",)))
    assert [path.name for path in bench.layout.releases_dir.iterdir()] == [release.digest]
    bench.releases.clearing.collect(lambda: References(digests=()))
    assert not list(bench.layout.releases_dir.iterdir())


def test_what_a_cut_left_half_laid_out_goes_first(bench: Bench) -> None:
    release = make_release()
    bench.install(release)
    (bench.layout.releases_dir / f"{'0' * 64}.tmp/site").mkdir(parents=True)
    bench.releases.tidy()
    assert [path.name for path in bench.layout.releases_dir.iterdir()] == [release.digest]


class StubbornDisk(Filesystem):
    """Deletes nothing, as when it has become read-only."""

    def remove_folder(self, path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_what_is_half_laid_out_on_a_disk_that_deletes_nothing_does_not_keep_the_keeper_down(bench: Bench) -> None:
    release = make_release()
    bench.commit(release)
    left = bench.layout.releases_dir / f"{'ab' * 32}.tmp"
    left.mkdir()
    again = Bench(bench.layout.prefix, disk=StubbornDisk())
    again.starter.on_start = pulse
    again.turn(times=3)
    assert left.is_dir()
    assert again.status().healthy


def test_a_committed_release_needs_no_signer(bench: Bench) -> None:
    release = make_release()
    bench.install(release)
    ref = bench.releases.trusted(release.digest).ref
    bench.keygen.allowed = ()
    found = bench.releases.committed(ref)
    assert (found.ref, found.plan, found.path) == (ref, release.plan, bench.layout.release(release.digest))
    with pytest.raises(RolloutError, match="is of sorter, the release of counter"):
        bench.releases.committed(replace(ref, application="counter"))


def test_a_newer_plan_is_refused_by_the_key_that_is_not_known(bench: Bench) -> None:
    newer = make_release().plan
    raw = {**json.loads(to_message(newer)), "sandbox": 1, "must_understand": ["sandbox"]}
    release = make_release(extra={"plan.json": json.dumps(raw).encode()})
    with pytest.raises(RolloutError, match=r"cannot read plan\.json: sandbox: must be understood") as caught:
        bench.install(release)
    assert "provision" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"1"])
def test_of_the_smallest_file_it_is_seen_that_it_is_gone(bench: Bench, content: bytes) -> None:
    release = make_release(extra={"app/small": content})
    bench.install(release)
    assert bench.releases.installed(release.digest)
    small = bench.layout.release(release.digest) / "app/small"
    small.unlink()
    assert not bench.releases.installed(release.digest)
    small.mkdir()
    assert not bench.releases.installed(release.digest)
    small.rmdir()
    small.symlink_to("/dev/null")
    assert not bench.releases.installed(release.digest)


def test_leftovers_stand_in_the_way_of_nothing(bench: Bench) -> None:
    release = make_release()
    for name in (f"{release.digest}.tmp", f"{release.digest}.gone.tmp"):
        (bench.layout.releases_dir / name / "site").mkdir(parents=True)
    bench.install(release)
    (bench.layout.release(release.digest) / "tool").unlink()
    bench.install(release)
    assert bench.releases.installed(release.digest)


def test_a_committed_release_that_is_not_whole_is_not_started(bench: Bench) -> None:
    release = make_release()
    bench.install(release)
    ref = bench.releases.trusted(release.digest).ref
    (bench.layout.release(release.digest) / "tool").unlink()
    with pytest.raises(RolloutError, match="tool is missing or cut"):
        bench.releases.committed(ref)
    with pytest.raises(NothingSelected):
        bench.releases.committed(replace(ref, digest="0" * 64))


def test_a_release_without_a_plan_is_refused(bench: Bench) -> None:
    raw = json.loads(make_release().manifest_json)
    raw["files"] = [one for one in raw["files"] if one["path"] != "plan.json"]
    bench.send(make_release())
    with pytest.raises(RolloutError, match=r"the release has no plan\.json"):
        bench.releases.install(bench.releases.open_offer(*signed(json.dumps(raw))))
    assert not list(bench.layout.releases_dir.iterdir())


def stated(digest: str) -> bytes:
    return to_line(make_statement(MAKING, digest, "ann@desk", BEGAN))


def test_how_a_release_was_made_is_kept_beside_it(bench: Bench) -> None:
    release = make_release()
    bench.send(release)
    statement = stated(release.digest)
    signature = fake_signature(signed_bytes(statement))
    offered = bench.releases.open_offer(release.manifest_json, release.signature)
    offered, signer = bench.releases.open_statement(offered, statement, signature)
    bench.releases.install(offered)
    folder = bench.layout.release(release.digest)
    assert signer == "ann@example.org" and bench.releases.installed(release.digest)
    assert (folder / "provenance.json").read_bytes() == statement
    assert (folder / "provenance.json.sig").read_bytes() == signature


def test_what_is_said_by_a_stranger_of_another_release_or_in_other_words_is_not_kept(bench: Bench) -> None:
    release = make_release()
    offered = bench.releases.open_offer(release.manifest_json, release.signature)
    ours, of_another = stated(release.digest), stated("cd" * 32)
    for statement, signature, why in (
        (ours, fake_signature(signed_bytes(ours), "eve@example.org"), "provenance"),
        (ours + b" ", fake_signature(signed_bytes(ours)), "provenance"),
        (ours, fake_signature(ours), "provenance"),
        (ours, b"", "the provenance is not signed"),
        *((text, fake_signature(signed_bytes(text)), "provenance") for text in (b"", b"{}", b"[" * 100_000)),
        (of_another, fake_signature(signed_bytes(of_another)), "another release"),
    ):
        with pytest.raises(TrustError, match=why):
            bench.releases.open_statement(offered, statement, signature)


def test_a_rotten_file_is_found_when_asked_for_and_mended_by_the_next_deployment(bench: Bench) -> None:
    release = make_release(extra={"engines/net.onnx": b"weights"})
    bench.install(release)
    file = bench.layout.release(release.digest) / "engines/net.onnx"
    assert bench.releases.installed(release.digest, read=True)
    stamp = file.stat()
    file.chmod(0o644)
    file.write_bytes(b"wEights")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert bench.releases.installed(release.digest), "sizes alone do not show it"
    assert not bench.releases.installed(release.digest, read=True)
    assert not bench.releases.installed(release.digest)
    with pytest.raises(RolloutError, match=r"is not whole on the device: engines/net\.onnx is damaged"):
        bench.releases.trusted(release.digest)
    again = Bench(bench.layout.prefix)
    assert not again.releases.installed(release.digest, read=True)
    again.install(release)
    assert again.releases.installed(release.digest)
    assert file.read_bytes() == b"weights"


@pytest.mark.parametrize("going_back", [False, True])
def test_what_an_earlier_keeper_installed_is_read_before_it_is_activated_and_once(
    bench: Bench, going_back: bool
) -> None:
    release = make_release(extra={"engines/net.onnx": b"weights"})
    bench.install(release)
    file = bench.layout.release(release.digest) / "engines/net.onnx"
    whole = Bench(bench.layout.prefix)
    assert whole.releases.trusted(release.digest, going_back=going_back)
    file.chmod(0o644)
    file.write_bytes(b"wEights")
    assert whole.releases.trusted(release.digest, going_back=going_back), "it was read in this keeper's time"
    again = Bench(bench.layout.prefix)
    with pytest.raises(RolloutError, match=r"is not whole on the device: engines/net\.onnx is damaged") as caught:
        again.releases.trusted(release.digest, going_back=going_back)
    assert "edgekit deploy it again" in caught.value.hint
    assert not again.releases.installed(release.digest), "the next offer asks for what is damaged"
    again.install(release)
    assert again.releases.trusted(release.digest, going_back=going_back)
