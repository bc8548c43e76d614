"""What a device has on record of what went wrong, through its keeper."""

from __future__ import annotations

from edgekit.host.link.client import KeeperClient
from edgekit.schema.incident import Incidents
from edgekit.schema.message import from_message_data


def read_incidents(keeper: KeeperClient, application: str) -> Incidents:
    """What went wrong with an application and with the device; with any application where none is named.

    Raises:
        NothingSelected: nothing is known of such an application there.
        InputError: the keeper there is older.
    """
    keeper.check_can("why", "tell why something went wrong")
    return from_message_data(Incidents, keeper.ask("why", application=application), "the record of what went wrong")
