"""Judges whether a release is for a device: its board, its fleet, its age, and what the fleet's policy says of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from edgekit.errors import TrustError
from edgekit.judging.packages import denies
from edgekit.schema.manifest import Manifest
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.provenance import SOURCE, Statement
from edgekit.schema.trust import DeviceIdentity, TrustDocument, TrustPolicy

MAX_COUNTER = 1 << 53
_REBUILD = "build the release again and deploy that"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedRelease:
    """What a release's provenance says that decides about it here."""

    fleet: str = ""
    counter: int = 0
    signed_s: int = 0
    """When it was signed, as the signer says; 0 where that cannot be read."""
    source: str = "its source's commit is not known"
    """Why it cannot be made again from a commit; empty where it can."""


NOTHING_STATED = StatedRelease()
"""A release without provenance."""


def read_stated(statement: Statement) -> StatedRelease:
    """Take from a statement what decides. Raises TrustError where its counter is none."""
    definition, metadata = statement.predicate.buildDefinition, statement.predicate.runDetails.metadata
    if not 0 <= metadata.counter <= MAX_COUNTER:
        raise TrustError(f"the provenance is refused: its counter is {metadata.counter}", hint=_REBUILD)
    commit = next((one for one in definition.resolvedDependencies if one.name == SOURCE), None)
    source = NOTHING_STATED.source
    if commit is not None and commit.digest.get("gitCommit"):
        dirty = commit.annotations.get("dirty") is not False
        source = "its source has changes that are in no commit" if dirty else ""
    return StatedRelease(
        fleet=definition.externalParameters.fleet,
        counter=metadata.counter,
        signed_s=_seconds(metadata.finishedOn),
        source=source,
    )


def check_board(manifest: Manifest, device: DeviceIdentity, machine: str) -> None:
    """Return if a release is for this board.

    Args:
        manifest: the release's.
        device: what the device was told that it is.
        machine: its architecture, as the kernel names it.

    Raises:
        TrustError: it was built for another architecture or target.
    """
    hint = "edgekit doctor DEVICE RELEASE says what fits; build it for the device's own target"
    if manifest.requires.arch != machine:
        message = f"the release is for {manifest.requires.arch}, and the device is {machine}"
        raise TrustError(message, hint=hint, cause="wrong_board")
    if device.target and manifest.target != device.target:
        message = f"the release is for the target {manifest.target}, and the device is a {device.target}"
        raise TrustError(message, hint=hint, cause="wrong_board")


def check_plan_fits(manifest: Manifest, plan: WorkerPlan) -> None:
    """Return if plan and manifest speak of the same release. Raises TrustError."""
    for what in ("application", "version", "target"):
        said, planned = getattr(manifest, what), getattr(plan, what)
        if said != planned:
            raise TrustError(
                f"plan.json is of {what} {planned}, the release of {said}: they are not of one build", hint=_REBUILD
            )


def check_fleet(stated: StatedRelease, device: DeviceIdentity) -> None:
    """Return if a release was built for the fleet that the device is of. Raises TrustError."""
    if stated.fleet != device.fleet:
        whose = f"fleet {stated.fleet}" if stated.fleet else "no fleet"
        here = f"of fleet {device.fleet}" if device.fleet else "of none"
        raise TrustError(
            f"the release was built for {whose}, and the device is {here}",
            hint='build it where fleet.toml has that name = "...", or edgekit provision the device with yours',
        )


def check_age(application: str, counter: int, floor: int, *, permitted: bool) -> None:
    """Return if a release is not older than what the device has committed, or somebody signed for that.

    Raises:
        TrustError: it is older.
    """
    if counter >= floor or permitted:
        return
    age = f"build {counter}" if counter else "a build without a counter"
    raise TrustError(
        f"the release is older than what the device had of {application}: {age}, its floor is {floor}",
        hint="edgekit rollback DEVICE goes back to the one before; edgekit deploy RELEASE DEVICE --permit signs for "
        "this one; or build it again from its source",
    )


def check_revoked(trust: TrustDocument, digest: str) -> None:
    """Return if a release is not revoked. Raises TrustError."""
    if digest in trust.revoked_releases:
        raise TrustError(f"release {digest[:12]} is revoked", hint="deploy another release")


def check_policy(policy: TrustPolicy, manifest: Manifest, stated: StatedRelease) -> None:
    """Return if the fleet's policy lets a release in.

    Raises:
        TrustError: it does not; the message names the rule.
    """
    for rule, reason in _offences(policy, manifest, stated):
        raise TrustError(
            f"the fleet's policy {rule} refuses the release: {reason}",
            hint="mend that and build again, or change the rule: edgekit keys policy",
        )


def _offences(policy: TrustPolicy, manifest: Manifest, stated: StatedRelease) -> Iterator[tuple[str, str]]:
    if policy.no_dirty and stated.source:
        yield "no_dirty", stated.source
    for rule in policy.deny:
        for wheel in manifest.wheels:
            if denies(rule, wheel.name, wheel.version):
                yield f'deny "{rule}"', f"it has {wheel.name} {wheel.version}"
    if policy.min_agreement:
        for engine in manifest.engines:
            least = _least_cosine(engine.facts)
            if least is None and (engine.runner, engine.facts.get("precision")) == ("onnxruntime", "float32"):
                continue  # it is the model itself
            if least is None:
                yield "min_agreement", f"engine {engine.name} was not compared with its model"
            elif least < policy.min_agreement:
                yield "min_agreement", f"engine {engine.name} has {least:.6f}, needed is {policy.min_agreement:g}"


def _least_cosine(facts: dict[str, str]) -> float | None:
    """Of all outputs, as the build wrote it: `agreement.OUTPUT` = `cosine 0.998765, ...`; None where that is not so."""
    found = []
    for name, text in facts.items():
        if name.startswith("agreement."):
            word, _, rest = text.partition(" ")
            try:
                found.append(float(rest.partition(",")[0]) if word == "cosine" else -1.0)
            except ValueError:
                return None
    return min(found) if found and all(-1 <= one <= 1.001 for one in found) else None


def _seconds(moment: str) -> int:
    """A time as RFC 3339 writes it, `2026-11-26T07:00:00Z`; 0 where it is none."""
    try:
        at = datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return 0
    return int(at.timestamp())
