"""Lists the targets, each with what it offers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgekit.host.catalogue.offers import TargetOffer, offer_of
from edgekit.host.catalogue.targets import read_target, resolve_target, target_files
from edgekit.host.settings import Settings
from edgekit.schema.target import Evidence

_THIS_MACHINE = TargetOffer(wheels="this machine's", engines="onnxruntime on the CPU", limits="advisory")


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedTarget:
    """A target, and what can be had for its boards."""

    name: str
    title: str
    file: str
    known_from: Evidence
    offer: TargetOffer


def offered_targets(settings: Settings) -> Iterator[OfferedTarget]:
    """All targets by name.

    Raises:
        InputError: one of them is wrong.
    """
    for _, file in sorted(target_files(settings).items()):
        written = read_target(file, settings)
        yield OfferedTarget(
            name=written.name,
            title=written.title,
            file=str(file),
            known_from=written.known_from,
            offer=_THIS_MACHINE if written.this_machine else offer_of(resolve_target(written)),
        )
