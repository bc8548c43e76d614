"""What the verbs that talk to one keeper share: find the device, connect, hang up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.complete import device_names
from edgekit.cli.session import settings_of

if TYPE_CHECKING:
    from edgekit.host.link.client import KeeperClient

DeviceArgument = Annotated[
    str,
    typer.Argument(help="A name from fleet.toml, a running board, or USER@HOST[:PORT].", autocompletion=device_names),
]
OneApplication = Annotated[
    str, typer.Argument(metavar="[APPLICATION]", help="Which application; the only one needs no name.")
]
NamedApplication = Annotated[str, typer.Argument(help="Which application: `edgekit status` lists them.")]


@contextmanager
def keeper_of(ctx: typer.Context, device: str) -> Iterator[KeeperClient]:
    """A conversation with the device's keeper."""
    from edgekit.host.link.client import KeeperClient
    from edgekit.host.link.connection import connect
    from edgekit.host.link.inventory import find_device

    found = find_device(device, settings_of(ctx))
    executor = connect(found)
    try:
        with KeeperClient(found, executor) as keeper:
            yield keeper
    finally:
        executor.close()
