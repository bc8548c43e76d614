"""How a release was made: an in-toto Statement with a SLSA Provenance predicate, signed beside the manifest.

The manifest says what a release is; this says from what, with what, by whom and when it was made. Its subject is the
release's digest. Two machines that make the same release have the same manifest, and each its own statement.

Fields bear the names of the specifications, so that what is written is their JSON.

Source: in-toto Attestation Framework, Statement v1 and ResourceDescriptor v1; SLSA, Build Provenance v1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edgekit.errors import InputError, TrustError
from edgekit.schema.message import Message, from_message

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
BUILD_TYPE = "urn:edgekit:build:v1"
"""What our parameters and dependencies mean: README, Provenance."""
SUBJECT = "manifest.json"
SOURCE, EDGEKIT_SOURCE = "source", "edgekit source"
"""Names of the dependencies that are git commits: of the recipe, and of edgekit itself."""
REQUIREMENTS = "requirements"
"""Name of the dependency that stands for what packages were asked for, and for which system."""
MAX_PROVENANCE_BYTES = 1 << 20
"""Of the envelope, so of the statement too."""
_HINT = "build the release again: edgekit build RECIPE --target T --out DIR"
MAX_CHANGED = 20
"""Files named as changed since the commit; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something that went in or came out. Source: ResourceDescriptor v1."""

    name: str = ""
    uri: str = ""
    digest: dict[str, str] = field(default_factory=dict)
    """`sha256` of a file, `dirHash` of a folder, `gitCommit`. Source: in-toto, DigestSet."""
    annotations: dict[str, str | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalParameters:
    """What the user asked for."""

    recipe: str
    """The application's name."""
    path: str = ""
    """The recipe's folder in its git repository, or its name where it is in none."""
    target: str
    builder: str = ""
    """Device that was to compile engines."""
    fleet: str = ""
    """The fleet that it was built for, as fleet.toml names it; devices of another refuse it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalParameters:
    """What the build was done with, where that is no file."""

    edgekit: str
    """Its version."""
    python: str
    """Version of the Python that it ran on."""
    machine: str
    """`x86_64 Linux`."""
    bytecode: str = ""
    """Version of the Python that compiled the packages' bytecode; empty: there is none in the release."""
    sandbox: str = ""
    """What other people's code ran in, to build its packages or compile engines: `bubblewrap`, `namespaces`, `none`;
    empty: no such code was needed. A package from the cache was built before: its own annotation says in which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildDefinition:
    """Everything that the release depends on: what a second build has to have in common with the first."""

    buildType: str
    externalParameters: ExternalParameters
    internalParameters: InternalParameters
    resolvedDependencies: tuple[Resource, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderIdentity:
    """Who built."""

    id: str
    version: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildMetadata:
    """One run. Times as in RFC 3339."""

    invocationId: str = ""
    startedOn: str = ""
    finishedOn: str = ""
    counter: int = 0
    """Grows with every build of an application: a device refuses what is older than what it has committed. Ours, beside
    SLSA's fields. Built again, an old source is a new release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetails:
    """What differs from one build of the same to the next."""

    builder: BuilderIdentity
    metadata: BuildMetadata
    byproducts: tuple[Resource, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SlsaProvenance:
    """The predicate."""

    buildDefinition: BuildDefinition
    runDetails: RunDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement(Message):
    """The whole of what is signed."""

    _type: str
    subject: tuple[Resource, ...]
    predicateType: str
    predicate: SlsaProvenance


def read_statement(payload: bytes, digest: str) -> Statement:
    """Read a statement whose signature was checked.

    Args:
        payload: the statement.
        digest: of the release that it must be about.

    Raises:
        TrustError: it is no statement of edgekit's, or about something else.
    """
    try:
        statement = from_message(Statement, payload, "the provenance")
    except InputError as error:
        raise TrustError(error.message, hint=_HINT, details=error.details) from None
    kinds = (statement._type, statement.predicateType, statement.predicate.buildDefinition.buildType)
    if kinds != (STATEMENT_TYPE, PREDICATE_TYPE, BUILD_TYPE):
        raise TrustError(f"the provenance is of another kind: {', '.join(kinds)[:200]}", hint=_HINT)
    if all(subject.digest.get("sha256") != digest for subject in statement.subject):
        raise TrustError("the provenance is that of another release", hint=_HINT)
    return statement


def signed_bytes(statement: bytes) -> bytes:
    """What is signed of a statement. Source: DSSE 1.0.2, protocol.md, pre-authentication encoding."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(statement), statement)
