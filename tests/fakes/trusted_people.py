"""People with real keys, and trust files, permits and statements that they sign with the real ssh-keygen."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edgekit.executor.local import LocalExecutor
from edgekit.host.release.statement import Making, make_statement
from edgekit.judging.keys import fingerprint_of
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.schema.message import Message, to_line
from edgekit.schema.provenance import (
    SOURCE,
    BuildDefinition,
    ExternalParameters,
    InternalParameters,
    Resource,
    signed_bytes,
)
from edgekit.schema.trust import (
    DAY_S,
    PERMIT_NAMESPACE,
    TRUST_NAMESPACE,
    DowngradePermit,
    SignedDocument,
    TrustDocument,
    TrustedKey,
    unsigned,
)
from edgekit.trust import sign

NOW_S = 1_800_000_000
"""When these tests play."""


class Person:
    """Somebody with a key."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.file = folder / name
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.file)]
        subprocess.run(argv, check=True)
        self.public = " ".join(self.file.with_suffix(".pub").read_text().split()[:2])
        self.fingerprint = fingerprint_of(self.public)

    def sign(self, message: bytes, namespace: str = SIGNATURE_NAMESPACE) -> bytes:
        """Sign something, a release's manifest if nothing else is said."""
        return sign(LocalExecutor(), message, key=self.file, namespace=namespace)

    def key(self, *, age_days: int = 0, until_s: int = 0) -> TrustedKey:
        """Their key in a trust file."""
        return TrustedKey(name=self.name, key=self.public, since_s=NOW_S - age_days * DAY_S, until_s=until_s)


def trust_of(*keys: TrustedKey, **more: Any) -> TrustDocument:
    """A trust file's first version, made now."""
    first = TrustDocument(version=1, issued_s=NOW_S, expires_s=NOW_S + 180 * DAY_S, keys=keys)
    return replace(first, **more)


def signed_document(document: Message, *people: Person) -> bytes:
    """A trust file or permit as it travels."""
    namespace = PERMIT_NAMESPACE if isinstance(document, DowngradePermit) else TRUST_NAMESPACE
    made = unsigned(document)
    signatures = tuple(person.sign(made.message, namespace).decode() for person in people)
    return SignedDocument(signed=made.signed, signatures=signatures).to_bytes()


def stated(
    digest: str,
    sign_it: Callable[[bytes], bytes],
    *,
    counter: int = 0,
    fleet: str = "",
    dirty: bool | None = False,
    at_s: int = NOW_S,
) -> tuple[bytes, bytes]:
    """How a release was made, and the signature over it; `dirty` None: its commit is not known."""
    commit = Resource(name=SOURCE, annotations={"unknown": "no repository"})
    if dirty is not None:
        commit = Resource(name=SOURCE, digest={"gitCommit": "ab" * 20}, annotations={"dirty": dirty})
    definition = BuildDefinition(
        buildType="urn:edgekit:build:v1",
        externalParameters=ExternalParameters(recipe="sorter", target="host", fleet=fleet),
        internalParameters=InternalParameters(edgekit="0.1.0", python="3.11.2", machine="x86_64 Linux"),
        resolvedDependencies=(commit,),
    )
    at = datetime.fromtimestamp(at_s, timezone.utc)
    making = Making(definition=definition, byproducts=(), began=at)
    statement = to_line(make_statement(making, digest, "ann@desk", at, counter=counter))
    return statement, sign_it(signed_bytes(statement))
