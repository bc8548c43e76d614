"""What the drills of a board's trust are played with: people, and releases that they sign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edgekit.errors import EdgekitError, TrustError
from edgekit.executor.local import LocalExecutor
from edgekit.schema.message import to_message
from edgekit.schema.trust import DeviceIdentity, TrustDocument
from edgekit.trust import sha256_bytes
from tests.fakes.keeper import Bench
from tests.fakes.releases import FakeRelease, make_plan, make_release
from tests.fakes.trusted_people import NOW_S, Person, signed_document, stated, trust_of


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Who plays: ann and bob sign for the fleet, eve does not."""

    ann: Person
    bob: Person
    eve: Person


def three_people(folder: Path) -> People:
    """All of them, with keys in a folder."""
    return People(ann=Person(folder, "ann"), bob=Person(folder, "bob"), eve=Person(folder, "eve"))


def board_of_gates(prefix: Path, people: People) -> Bench:
    """A board of the fleet `gates` that ann provisioned, with its clock right."""
    bench = Bench(prefix, executor=LocalExecutor())
    bench.wall_s = NOW_S
    bench.layout.identity_file.write_bytes(to_message(DeviceIdentity(name="gate-7", fleet="gates")))
    install_trust(bench, trust_of(people.ann.key(), people.bob.key(), fleet="gates"), people.ann)
    return bench


def install_trust(bench: Bench, document: TrustDocument, *signed_by: Person) -> None:
    """What provisioning does, as root."""
    bench.layout.trust_file.write_bytes(signed_document(document, *signed_by))


def release_of(*people: Person, version: str = "1.0.0", change: Callable[..., object] | None = None) -> FakeRelease:
    """A release that these people sign."""
    made = make_release(plan=make_plan(version=version), extra={"app/version": version.encode()})
    return resigned(made, *people)


def resigned(release: FakeRelease, *people: Person, **manifest: object) -> FakeRelease:
    """The same with another manifest, and signatures over that."""
    text = to_message(replace(release.manifest, **manifest))  # type: ignore[arg-type]
    signature = b"".join(person.sign(text) for person in people)
    return replace(
        release,
        manifest=replace(release.manifest, **manifest),  # type: ignore[arg-type]
        manifest_json=text,
        signature=signature,
        digest=sha256_bytes(text),
    )


def stated_by(release: FakeRelease, person: Person, counter: int = 1, fleet: str = "gates") -> tuple[bytes, bytes]:
    return stated(release.digest, person.sign, counter=counter, fleet=fleet)


def refused(act: Callable[[], object], why: str) -> EdgekitError:
    with pytest.raises(TrustError, match=why) as caught:
        act()
    assert caught.value.hint
    return caught.value
