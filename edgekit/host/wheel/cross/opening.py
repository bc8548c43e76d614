"""Puts a target's cross-builder together. Nothing is fetched before a package has to be built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.host.wheel.cross.crossbuild import CrossBuilder
from edgekit.host.wheel.cross.environment import Extras, Workshop
from edgekit.host.wheel.cross.extras import Supplies, make_extras
from edgekit.host.wheel.cross.packages import find_rule
from edgekit.host.wheel.cross.places import Places
from edgekit.host.wheel.cross.sources import Source
from edgekit.host.wheel.cross.workshop import Tools, Workshops
from edgekit.host.wheel.missing import find_alone
from edgekit.host.wheel.needs import Wanted
from edgekit.schema.target import Target

if TYPE_CHECKING:
    from edgekit.host.wheel.cross.builder import Builder
    from edgekit.host.wheel.cross.inspection import Inspector


def open_crossbuilder(target: Target, wanted: Wanted, places: Places, tools: Tools) -> CrossBuilder:
    """The cross-builder for a target.

    Args:
        target: the board type.
        wanted: its system; requirements do not count.
        places: folders.
        tools: programs and voices.
    """
    workshops = Workshops(target, wanted, places, tools)
    supplies = Supplies(
        debian=tools.debian(places),
        uv=tools.uv,
        executor=tools.executor,
        progress=tools.progress,
        roots=places.roots,
        wanted=wanted.only(),
    )

    def prepare(source: Source) -> tuple[Workshop, Extras]:
        rule = find_rule(source.name, source.version, target, places.cross / "packages")
        shop = workshops.open(rule.zig, own_runtime=rule.own_runtime)
        return shop, make_extras(str(source), rule, shop, supplies)

    def locate(source: Source) -> str:
        asked = f"{source.name}=={source.version}"
        found = find_alone(asked, wanted, tools.uv, sources_only=True)
        return found.source.url if found and found.source else ""

    # A wheel from the cache is there in a moment: what only building takes is imported when it is called.
    def inspector() -> Inspector:
        from edgekit.host.wheel.cross.inspection import Inspector  # noqa: PLC0415

        return Inspector(target=target, cross=places.cross, executor=tools.executor)

    def builder(shop: Workshop) -> Builder:
        from edgekit.host.wheel.cross.builder import Builder  # noqa: PLC0415

        return Builder(shop, tools.uv, tools.executor, tools.progress)

    return CrossBuilder(
        places=places,
        prepare=prepare,
        inspect=lambda wheel, extras: inspector().inspect(wheel, extras),
        recheck=lambda wheel, extras: inspector().recheck(wheel, extras),
        builder=builder,
        locate=locate,
        progress=tools.progress,
    )
