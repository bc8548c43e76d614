"""Patches over the socket: applied, gone on with, and a file that cannot be patched is missing and nothing else."""

from __future__ import annotations

import json
import os
import random
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.device.keeper.control.listener import ControlServer
from edgekit.host.link.delta.lzma_patch import can_patch, make_patch
from edgekit.host.release.statement import make_statement
from edgekit.schema.control import Event, Missing, Offer
from edgekit.schema.message import from_message_data, to_line
from edgekit.schema.patch import PATCH_NAME_CHARS
from edgekit.schema.provenance import signed_bytes
from edgekit.trust import sha256_bytes
from tests.fakes.eventually import eventually
from tests.fakes.keeper import Bench
from tests.fakes.patching import LocalPatching
from tests.fakes.releases import FakeRelease, make_release
from tests.fakes.signers import fake_signature
from tests.unit.device.keeper.control.test_listener import Client
from tests.unit.host.release.test_envelope import BEGAN, MAKING

TEXT = bytes(random.Random(1).choices(b"abcdefgh \n", k=100_000))
NEWER = TEXT + b"and more"
OLD, NEW = make_release(extra={"app/text": TEXT}), make_release(extra={"app/text": NEWER, "app/other": b"o" * 999})
BASE, MADE = sha256_bytes(TEXT), sha256_bytes(NEWER)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def client(bench: Bench) -> Iterator[Client]:
    server = ControlServer(bench.services(), bench.layout.socket, group=None, log=print)
    server.start()
    bench.install(OLD)
    client = Client(bench.layout.socket)
    yield client
    client.file.close()
    client.socket.close()
    server.close()


def the_patch() -> bytes:
    """Packed: machines without liblzma run this too."""
    patch = make_patch(b"", NEWER)
    assert patch is not None
    return patch


def offered(client: Client, release: FakeRelease = NEW) -> Offer:
    return from_message_data(Offer, client.offer(release).data, "offer")


def send(client: Client, content: bytes, start: int = 0, end: int | None = None, **fields: object) -> None:
    at = {
        "sha256": MADE,
        "patch": sha256_bytes(content)[:PATCH_NAME_CHARS],
        "size_bytes": len(content),
        "offset": start,
    }
    client.send("patch", content[start:end], **{**at, **fields})


def missing(client: Client) -> set[str]:
    answer = client.ask("missing")
    assert answer.kind == "done", answer
    return {blob.sha256 for blob in from_message_data(Missing, answer.data, "answer").missing}


def leftovers(bench: Bench) -> list[str]:
    return [file.name for file in bench.layout.incoming_dir.iterdir() if file.suffix not in (".offered", ".stated")]


def test_a_patched_file_is_there_and_the_release_can_be_installed(bench: Bench, client: Client) -> None:
    assert MADE in {blob.sha256 for blob in offered(client).missing}
    base_patch = make_patch(TEXT, NEWER)
    if base_patch is None:
        pytest.skip("no liblzma on this machine")
    assert len(base_patch) < 200
    send(client, base_patch, base=BASE)
    assert MADE not in missing(client)
    assert leftovers(bench) == []
    client.push(NEW)
    assert client.ask("install", digest=NEW.digest).kind == "done"
    assert (bench.layout.release(NEW.digest) / "app/text").read_bytes() == NEWER
    assert not list(bench.layout.incoming_dir.iterdir()), "the manifest is the release's own now"


def test_a_patch_goes_on_where_the_last_connection_broke(client: Client, bench: Bench) -> None:
    offered(client)
    patch = the_patch()
    send(client, patch, 0, 1000)
    client.ask("status")
    client.file.close()
    client.socket.close()
    again = Client(bench.layout.socket)
    eventually(lambda: again.ask("lock", application="sorter", holder="me").kind == "done")
    (begun,) = offered(again).begun
    assert (begun.sha256, begun.patch, begun.have_bytes) == (MADE, sha256_bytes(patch)[:PATCH_NAME_CHARS], 1000)
    send(again, patch, 1000)
    assert MADE not in missing(again)
    again.file.close()
    again.socket.close()


@pytest.mark.parametrize("form", ["raw", "zlib", "patch"])
def test_what_came_of_a_piece_before_its_client_went_away_is_kept(client: Client, bench: Bench, form: str) -> None:
    offered(client)
    patch = the_patch()
    payload = {"raw": NEWER, "zlib": zlib.compress(NEWER), "patch": patch}[form]
    request = {"verb": "chunk", "sha256": MADE[:8], "payload_bytes": len(payload), "encoding": form}
    if form == "patch":
        name = sha256_bytes(patch)[:PATCH_NAME_CHARS]
        request |= {"verb": "patch", "patch": name, "size_bytes": len(patch), "encoding": "raw"}
    client.socket.sendall(json.dumps(request).encode() + b"\n" + payload[: len(payload) // 2])
    client.socket.shutdown(socket.SHUT_WR)
    assert client.event().kind == "error"
    again = Client(bench.layout.socket)
    eventually(lambda: again.ask("lock", application="sorter", holder="me").kind == "done")
    offer = offered(again)
    have = {blob.sha256: blob.have_bytes for blob in offer.missing}[MADE]
    if form == "patch":
        (begun,) = offer.begun
        assert begun.have_bytes == len(patch) // 2
        send(again, patch, begun.have_bytes)
    else:
        assert have > 0.9 * len(NEWER) / 2
        again.send("chunk", NEWER[have:], sha256=MADE, offset=have)
    assert MADE not in missing(again)
    again.file.close()
    again.socket.close()


def test_a_small_patch_needs_no_head_and_names_blobs_by_their_beginnings(bench: Bench, client: Client) -> None:
    offered(client)
    base_patch = make_patch(TEXT, NEWER)
    if base_patch is None:
        pytest.skip("no liblzma on this machine")
    client.send("patch", base_patch, sha256=MADE[:8], base=BASE[:12])
    assert MADE not in missing(client)


@pytest.mark.parametrize("base", ["twins", "damaged digits", "short"])
def test_a_base_that_is_not_one_blob_alone_is_none(bench: Bench, client: Client, base: str) -> None:
    offered(client)
    begin = BASE[:12]
    if base == "twins":
        twin = bench.layout.blob(BASE[:12] + "0" * 52)
        twin.write_bytes(b"twin")
    elif base == "damaged digits":
        begin = BASE[:11] + ("0" if BASE[11] != "0" else "1")
    send(client, make_patch(TEXT, NEWER) or the_patch(), base=begin if base != "short" else BASE[:7])
    if base == "short":
        assert client.event().exit_code == 2
    assert MADE in missing(client)


def test_one_that_came_whole_and_was_not_applied_needs_its_last_byte_alone(client: Client) -> None:
    offered(client)
    patch = the_patch()
    send(client, patch)
    (begun,) = offered(client).begun
    assert begun.have_bytes == len(patch) - 1
    send(client, patch, begun.have_bytes)
    assert MADE not in missing(client)


@pytest.mark.parametrize("why", ["no such base", "damaged base", "other base", "noise", "torn", "lies", "ends early"])
def test_what_cannot_be_patched_is_missing_and_the_rest_comes(bench: Bench, client: Client, why: str) -> None:
    offered(client)
    patch, base = make_patch(TEXT, NEWER) or the_patch(), BASE
    fields: dict[str, object] = {}
    if why == "no such base":
        base = "0" * 64
    elif why == "damaged base":
        blob = bench.layout.blob(BASE)
        blob.chmod(0o600)
        blob.write_bytes(bytes(len(TEXT)))
    elif why == "other base":
        base = next(sha for sha, data in OLD.blobs.items() if data and sha != BASE)
    elif why == "noise":
        patch = os.urandom(5000)
    elif why == "torn":
        fields["patch"] = "0" * PATCH_NAME_CHARS
    elif why == "ends early":
        patch = make_patch(b"", NEWER[:5000]) or b""
    LocalPatching.lies = why == "lies"
    try:
        send(client, os.urandom(500) if why == "lies" else patch, base=base, **fields)
        assert MADE in missing(client)
    finally:
        LocalPatching.lies = False
    assert leftovers(bench) == []
    client.push(NEW)
    assert client.ask("install", digest=NEW.digest).kind == "done"


@pytest.mark.parametrize(
    "fields",
    [
        {"base": "../../x"},
        {"patch": "../x"},
        {"patch": "F" * PATCH_NAME_CHARS},
        {"size_bytes": len(NEWER)},
        {"size_bytes": 0},
        {"offset": 7},
        {"offset": -1},
        {"sha256": "ab" * 32},
    ],
)
def test_no_path_and_no_size_gets_out_of_bounds(bench: Bench, client: Client, fields: dict[str, object]) -> None:
    offered(client)
    send(client, the_patch(), **fields)
    refused = client.event()
    assert (refused.kind, refused.exit_code) == ("error", 2)
    assert leftovers(bench) == []
    assert client.ask("status").kind == "done"


def test_a_patch_for_no_offered_release_is_refused(client: Client) -> None:
    send(client, the_patch())
    assert client.event().exit_code == 2
    assert client.ask("missing").exit_code == 3


@pytest.mark.parametrize("base", ["", OLD.digest], ids=["packed", "patched"])
def test_a_manifest_comes_as_a_patch(client: Client, base: str) -> None:
    patch = make_patch(OLD.manifest_json if base else b"", NEW.manifest_json)
    if patch is None:
        pytest.skip("no liblzma on this machine")
    fields = {"signature_bytes": len(NEW.signature), "base": base, "size_bytes": len(NEW.manifest_json)}
    answer = client.ask("offer", patch + NEW.signature, **fields)
    assert from_message_data(Offer, answer.data, "offer").digest == NEW.digest


def test_a_manifest_and_how_it_was_made_come_packed(client: Client, bench: Bench) -> None:
    fields = {"signature_bytes": len(NEW.signature), "size_bytes": len(NEW.manifest_json), "encoding": "zlib"}
    answer = client.ask("offer", zlib.compress(NEW.manifest_json) + NEW.signature, **fields)
    assert from_message_data(Offer, answer.data, "offer").digest == NEW.digest
    statement, signature = told(NEW)
    fields = {"signature_bytes": len(signature), "size_bytes": len(statement), "encoding": "zlib"}
    wrong = client.ask("provenance", zlib.compress(statement) + signature, sha256="0" * 12, **fields)
    assert wrong.exit_code == 2
    digest = sha256_bytes(statement)[:12]
    assert client.ask("provenance", zlib.compress(statement) + signature, sha256=digest, **fields).kind == "done"
    (file,) = bench.layout.incoming_dir.glob("*.stated")
    assert file.read_bytes() == statement


@pytest.mark.parametrize(
    ("packed", "size"),
    [
        (b"no zlib", 7),
        (zlib.compress(NEW.manifest_json), len(NEW.manifest_json) - 1),
        (zlib.compress(NEW.manifest_json), len(NEW.manifest_json) + 1),
        (zlib.compress(NEW.manifest_json)[:-3], len(NEW.manifest_json)),
        (zlib.compress(bytes(64 << 20)), 8 << 20),
        (zlib.compress(bytes(64 << 20)), 64 << 20),
        (zlib.compress(b""), -1),
    ],
    ids=["noise", "longer", "shorter", "cut", "bomb", "too large", "negative"],
)
def test_a_packed_manifest_is_what_it_says_or_refused(client: Client, packed: bytes, size: int) -> None:
    fields = {"signature_bytes": len(NEW.signature), "size_bytes": size, "encoding": "zlib"}
    assert client.ask("offer", packed + NEW.signature, **fields).exit_code == 2
    assert client.ask("status").kind == "done"


def test_a_manifest_that_was_offered_is_a_base_of_its_own(client: Client, bench: Bench) -> None:
    offered(client)
    patch = make_patch(NEW.manifest_json, NEW.manifest_json)
    if patch is None:
        pytest.skip("no liblzma on this machine")
    fields = {"signature_bytes": len(NEW.signature), "base": NEW.digest, "size_bytes": len(NEW.manifest_json)}
    answer = client.ask("offer", patch + NEW.signature, **fields)
    assert from_message_data(Offer, answer.data, "offer").digest == NEW.digest
    (file,) = bench.layout.incoming_dir.glob("*.offered")
    file.write_bytes(b"damaged")
    assert client.ask("offer", patch + NEW.signature, **fields).exit_code == 2


def told(release: FakeRelease) -> tuple[bytes, bytes]:
    """How a release was made, and the signature over that."""
    statement = to_line(make_statement(MAKING, release.digest, "ann@desk", BEGAN))
    return statement, fake_signature(signed_bytes(statement))


def tell(client: Client, base: str, old: bytes, statement: bytes, signature: bytes, **fields: object) -> Event:
    patch = make_patch(old, statement)
    assert patch is not None
    usual = {"base": base, "size_bytes": len(statement), "sha256": sha256_bytes(statement)[:12]}
    head = {"signature_bytes": len(signature), **usual, **fields}
    return client.ask("provenance", patch + signature, **head)


def test_how_it_was_made_comes_as_a_patch_and_again_as_one_of_itself(bench: Bench, client: Client) -> None:
    if not can_patch():
        pytest.skip("no liblzma on this machine")
    before, (statement, signature) = told(OLD)[0], told(NEW)
    offered(client)
    assert tell(client, OLD.digest, before, statement, signature).exit_code == 2, "the board has none of it"
    (bench.layout.release(OLD.digest) / "provenance.json").write_bytes(before)
    assert tell(client, OLD.digest, before, statement, signature, sha256="0" * 12).exit_code == 2
    assert tell(client, OLD.digest, before, statement, signature, size_bytes=2 << 20).exit_code == 2
    eves = fake_signature(signed_bytes(statement), "eve@example.org")
    assert tell(client, OLD.digest, before, statement, eves).exit_code == 6
    assert tell(client, OLD.digest, before, statement, signature).kind == "done"
    client.push(NEW)
    assert tell(client, NEW.digest, statement, statement, signature).kind == "done"
    assert client.ask("install", digest=NEW.digest).kind == "done"
    assert (bench.layout.release(NEW.digest) / "provenance.json").read_bytes() == statement
    assert not list(bench.layout.incoming_dir.iterdir())


@pytest.mark.parametrize("size", [-1, 17 << 20, 5])
def test_a_manifests_patch_is_bounded_and_its_signature_counts(client: Client, size: int) -> None:
    patch = make_patch(b"", NEW.manifest_json)
    assert patch is not None
    fields = {"signature_bytes": len(NEW.signature), "size_bytes": size}
    assert client.ask("offer", patch + NEW.signature, **fields).exit_code in (2, 6)
