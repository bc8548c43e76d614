"""Puts together what is stated of a release's making. Pure."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import quote

from edgekit.schema.provenance import (
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    SUBJECT,
    BuildDefinition,
    BuilderIdentity,
    BuildMetadata,
    Resource,
    RunDetails,
    SlsaProvenance,
    Statement,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How a release was made, so far as that is known before it has a digest."""

    definition: BuildDefinition
    byproducts: tuple[Resource, ...]
    """Engines that were compiled for it, and whether they came from the cache."""
    began: datetime


def make_statement(making: Making, digest: str, who: str, finished: datetime, *, counter: int = 0) -> Statement:
    """The statement about one release.

    Args:
        making: how it was made.
        digest: the release's.
        who: built it: `ann@desk`.
        finished: when.
        counter: grows with every build of the application.
    """
    metadata = BuildMetadata(
        invocationId=f"urn:uuid:{uuid.uuid4()}",
        startedOn=_moment(making.began),
        finishedOn=_moment(finished),
        counter=counter,
    )
    inside = making.definition.internalParameters
    builder = BuilderIdentity(
        id=f"urn:edgekit:workstation:{quote(who, safe='@')}",
        version={"edgekit": inside.edgekit, "python": inside.python},
    )
    run = RunDetails(builder=builder, metadata=metadata, byproducts=making.byproducts)
    return Statement(
        _type=STATEMENT_TYPE,
        subject=(Resource(name=SUBJECT, digest={"sha256": digest}),),
        predicateType=PREDICATE_TYPE,
        predicate=SlsaProvenance(buildDefinition=making.definition, runDetails=run),
    )


def _moment(at: datetime) -> str:
    """As RFC 3339 has it, always of one length: `2026-11-26T07:00:00Z`."""
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
