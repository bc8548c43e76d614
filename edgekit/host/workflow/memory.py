"""Where an application's memory is on a device, through its keeper."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import NothingSelected
from edgekit.host.link.client import ANSWER_S
from edgekit.host.progress import Progress
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.schema.control import Event
from edgekit.schema.memory import MemoryAnswer
from edgekit.schema.message import from_message_data


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryQuestion:
    """What a user wants to know."""

    application: str = ""
    """Empty: the only one on the device."""
    sites: int = 0
    """So many lines of Python code that allocate most; 0: none, and nothing is watched."""
    seconds: float = 10.0
    """How long Python code is watched."""


def see_memory(name: str, question: MemoryQuestion, access: DeviceAccess, progress: Progress) -> MemoryAnswer:
    """Where the memory is.

    Args:
        name: the device.
        question: of which application, and what of it.
        access: the way there.
        progress: is told what the keeper does meanwhile.

    Raises:
        NothingSelected: there is no such device or application, or no worker of it runs.
        InputError: the keeper there is older, or what is asked for is too much.
        Unreachable: the worker does not say where its Python code allocates.
    """

    def watch(event: Event) -> None:
        if event.message:
            progress.note(event.message)

    with access.keeper(name) as keeper:
        keeper.check_can("memory", "tell where an application's memory is")
        answer = from_message_data(
            MemoryAnswer,
            keeper.ask(
                "memory",
                application=question.application,
                watch=watch,
                patience_s=ANSWER_S + question.seconds,
                sites=question.sites,
                seconds=question.seconds,
            ),
            f"memory of {name}",
        )
    if not answer.pid:
        raise NothingSelected(
            f"no worker of {answer.application} runs on {name}", hint=f"edgekit status {name} says why"
        )
    return answer
