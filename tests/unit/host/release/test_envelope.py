"""A provenance is believed when an allowed signer signed it and it is about this release; every edit of it shows."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import Parse, ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement as PublishedStatement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage

from edgekit.errors import InputError, TrustError
from edgekit.executor.local import LocalExecutor
from edgekit.host.release.envelope import TrustedStatement, open_sealed, seal, unseal
from edgekit.host.release.statement import Making, make_statement
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.schema.provenance import (
    BUILD_TYPE,
    BuildDefinition,
    ExternalParameters,
    InternalParameters,
    Resource,
    Statement,
    read_statement,
    signed_bytes,
)
from edgekit.trust import sign, verify
from tests.unit.test_trust import make_key

LOCAL = LocalExecutor()
DIGEST = "ab" * 32
BEGAN = datetime(2026, 11, 26, 7, 0, 0, tzinfo=timezone.utc)
DEFINITION = BuildDefinition(
    buildType=BUILD_TYPE,
    externalParameters=ExternalParameters(recipe="line", path="recipes/line", target="board"),
    internalParameters=InternalParameters(edgekit="0.1.0", python="3.11.7", machine="x86_64 Linux"),
    resolvedDependencies=(
        Resource(name="source", digest={"gitCommit": "1" * 40}, annotations={"path": "recipes/line", "dirty": True}),
        Resource(name="numpy.whl", uri="pkg:pypi/numpy@2.4.6", digest={"sha256": "2" * 64}),
    ),
)
ENGINE = Resource(name="engines/parts.onnx", digest={"sha256": "3" * 64}, annotations={"fromCache": False})
MAKING = Making(definition=DEFINITION, byproducts=(ENGINE,), began=BEGAN)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ann's key, the world's, and a file that believes ann in what concerns releases."""
    folder = tmp_path_factory.mktemp("envelope")
    make_key(folder / "ann")
    make_key(folder / "eve")
    kind, key, *_ = (folder / "ann.pub").read_text().split()
    (folder / "allowed_signers").write_text(f'ann@desk namespaces="{SIGNATURE_NAMESPACE}" {kind} {key}\n')
    return folder


def statement(digest: str = DIGEST, making: Making = MAKING) -> Statement:
    return make_statement(making, digest, "ann@desk", BEGAN)


def signer(folder: Path, who: str = "ann", namespace: str = SIGNATURE_NAMESPACE) -> Callable[[bytes], bytes]:
    return lambda message: sign(LOCAL, message, key=folder / who, namespace=namespace)


def opened(sealed: bytes, folder: Path, digest: str = DIGEST) -> TrustedStatement:
    return open_sealed(sealed, digest, LOCAL, folder / "allowed_signers")


@pytest.fixture(scope="module")
def sealed(folder: Path) -> bytes:
    return seal(statement(), signer(folder))


def edited(sealed: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    raw = json.loads(sealed)
    change(raw)
    return json.dumps(raw).encode()


def test_what_was_sealed_is_read_and_its_signer_known(sealed: bytes, folder: Path) -> None:
    found = opened(sealed, folder)
    assert found.signer == "ann@desk" and found.key.startswith("SHA256:")
    assert found.statement.predicate.buildDefinition == DEFINITION
    run = found.statement.predicate.runDetails
    assert run.builder.id == "urn:edgekit:workstation:ann@desk"
    assert (run.metadata.startedOn, run.byproducts) == ("2026-11-26T07:00:00Z", (ENGINE,))


def test_the_statement_is_what_the_specifications_define(sealed: bytes) -> None:
    """The published protocol buffers take every field of it, and the published library finds it valid."""
    payload = base64.b64decode(json.loads(sealed)["payload"])
    message = Parse(payload, StatementMessage())
    PublishedStatement.copy_from_pb(message).validate()
    predicate = json.loads(payload)["predicate"]
    provenance = ParseDict(predicate, Provenance())
    assert provenance.build_definition.build_type == BUILD_TYPE
    assert provenance.run_details.metadata.started_on.ToDatetime(timezone.utc) == BEGAN
    for resource in (*provenance.build_definition.resolved_dependencies, *provenance.run_details.byproducts):
        ResourceDescriptor.copy_from_pb(resource).validate()
        assert resource.uri or resource.digest


def test_openssh_alone_can_check_it(sealed: bytes, folder: Path, tmp_path: Path) -> None:
    """As README says: the signature is in OpenSSH's own format, over DSSE's encoding of the payload."""
    raw = json.loads(sealed)
    payload = base64.b64decode(raw["payload"])
    (tmp_path / "sig").write_bytes(base64.b64decode(raw["signatures"][0]["sig"]))
    encoded = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    argv = ["ssh-keygen", "-Y", "verify", "-f", str(folder / "allowed_signers"), "-I", "ann@desk"]
    argv += ["-n", SIGNATURE_NAMESPACE, "-s", str(tmp_path / "sig")]
    assert subprocess.run(argv, input=encoded, capture_output=True, check=False).returncode == 0


def test_a_device_gets_the_statement_as_it_was_signed(sealed: bytes, folder: Path) -> None:
    """Without the envelope, and judged by the standard library alone: the same bytes are signed."""
    payload, signature = unseal(sealed)
    allowed = folder / "allowed_signers"
    namespace = SIGNATURE_NAMESPACE
    assert verify(LOCAL, signed_bytes(payload), signature, allowed_signers=allowed, namespace=namespace) == "ann@desk"
    assert read_statement(payload, DIGEST) == opened(sealed, folder).statement
    with pytest.raises(TrustError, match="damaged"):
        unseal(b"{}")


@pytest.mark.parametrize("edit", ["payload", "type", "signature"])
def test_an_edit_shows(edit: str, sealed: bytes, folder: Path) -> None:
    def change(raw: dict[str, Any]) -> None:
        if edit == "payload":
            clean = base64.b64decode(raw["payload"]).replace(b'"dirty":true', b'"dirty":false')
            raw["payload"] = base64.b64encode(clean).decode()
        elif edit == "type":
            raw["payloadType"] = "application/vnd.in-toto.provenance+json"
        else:
            raw["signatures"][0]["sig"] = base64.b64encode(b"-----BEGIN SSH SIGNATURE-----\n").decode()

    with pytest.raises(TrustError, match="provenance"):
        opened(edited(sealed, change), folder)


def test_the_key_id_is_a_hint_and_decides_nothing(sealed: bytes, folder: Path) -> None:
    def lie(raw: dict[str, Any]) -> None:
        raw["signatures"][0]["keyid"] = "SHA256:another"

    assert opened(edited(sealed, lie), folder).signer == "ann@desk"
    claimed = json.loads(sealed)["signatures"][0]["keyid"]
    by_eve = edited(seal(statement(), signer(folder, "eve")), lambda raw: raw["signatures"][0].update(keyid=claimed))
    with pytest.raises(TrustError, match="the provenance is not signed by an allowed signer"):
        opened(by_eve, folder)


def test_a_second_signature_helps_nobody_and_hurts_nobody(sealed: bytes, folder: Path) -> None:
    by_eve = json.loads(seal(statement(), signer(folder, "eve")))["signatures"][0]
    both = edited(sealed, lambda raw: raw["signatures"].insert(0, by_eve))
    with pytest.raises(TrustError):  # eve's run has another invocation id: neither signature fits the other's payload
        opened(edited(seal(statement(), signer(folder, "eve")), lambda raw: None), folder)
    assert opened(both, folder).signer == "ann@desk"


def test_another_key_another_purpose_another_release(sealed: bytes, folder: Path) -> None:
    with pytest.raises(TrustError, match="provenance is not signed by an allowed signer"):
        opened(seal(statement(), signer(folder, "eve")), folder)
    with pytest.raises(TrustError, match="does not fit the provenance"):
        opened(seal(statement(), signer(folder, namespace="file")), folder)
    with pytest.raises(TrustError, match="that of another release"):
        opened(sealed, folder, digest="cd" * 32)


def test_a_manifests_signature_is_none_for_a_provenance(folder: Path) -> None:
    """One namespace, two kinds of message: what was signed as the one is never taken for the other."""
    payload = b'{"format": 1}\n'
    signature = signer(folder)(payload)
    raw = {"payload": base64.b64encode(payload).decode(), "payloadType": "application/vnd.in-toto+json"}
    raw["signatures"] = [{"keyid": "", "sig": base64.b64encode(signature).decode()}]  # type: ignore[assignment]
    with pytest.raises(TrustError, match="does not fit the provenance"):
        opened(json.dumps(raw).encode(), folder)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"payload": 1, "payloadType": 2, "signatures": 3}',
        b'{"payload": "e30=", "payloadType": "application/vnd.in-toto+json", "signatures": []}',
        b'{"payload": "e30=", "payloadType": "application/vnd.in-toto+json", "signatures": [{}]}',
        b'{"payload": "", "payloadType": "application/vnd.in-toto+json", "signatures": [{"keyid": [], "sig": ""}]}',
        b'{"payload":"","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"","sig":""}]}',
        b'{"payload": "e3", "payloadType": ["x"], "signatures": [{"keyid": "", "sig": "%"}]}',
        b'{"payload": "", "payloadType": "x", "signatures": [{"keyid": "a", "sig": ""}, {"keyid": "a", "sig": ""}]}',
    ],
)
def test_what_is_no_envelope_is_refused_in_one_sentence(damaged: bytes, folder: Path) -> None:
    with pytest.raises(TrustError, match="provenance"):
        opened(damaged, folder)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"https://in-toto.io/Statement/v1", b"https://in-toto.io/Statement/v2"),
        (b"https://slsa.dev/provenance/v1", b"https://slsa.dev/provenance/v9"),
        (b"urn:edgekit:build:v1", b"urn:edgekit:build:v2"),
        (b'"subject":[', b'"subject":1,"x":['),
        (b"{", b""),
    ],
)
def test_a_signed_statement_of_another_kind_is_refused(
    before: bytes, after: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekit.host.release import envelope
    from edgekit.schema.message import to_line

    monkeypatch.setattr(envelope, "to_line", lambda value: to_line(value).replace(before, after, 1))
    sealed = seal(statement(), signer(folder))
    with pytest.raises(TrustError):
        opened(sealed, folder)


def test_what_is_too_large_to_travel_is_said(folder: Path) -> None:
    many = tuple(Resource(name=f"recipe/{number}", digest={"sha256": "0" * 64}) for number in range(10_000))
    definition = BuildDefinition(
        buildType=BUILD_TYPE,
        externalParameters=DEFINITION.externalParameters,
        internalParameters=DEFINITION.internalParameters,
        resolvedDependencies=many,
    )
    with pytest.raises(InputError, match="allowed are 1048576"):
        seal(statement(making=Making(definition=definition, byproducts=(), began=BEGAN)), signer(folder))
