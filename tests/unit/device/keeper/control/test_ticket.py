"""What waits for a client that reads slowly."""

from __future__ import annotations

from edgekit.device.keeper.control.ticket import Ticket
from tests.fakes.keeper import HEALTHY


def test_reports_that_nobody_reads_do_not_pile_up_and_the_outcome_comes_all_the_same() -> None:
    ticket = Ticket()
    for _ in range(1000):
        ticket.report(HEALTHY)
    ticket.state("running", "sorter 1.0.0")
    ticket.done("committed")
    kinds = [event.kind for event in ticket.events()]
    assert 0 < kinds.count("report") < 20
    assert kinds[-2:] == ["state", "done"]


def test_a_client_that_keeps_up_gets_every_report() -> None:
    ticket = Ticket()
    events = ticket.events()
    for number in range(1000):
        ticket.report(HEALTHY)
        assert next(events).kind == "report", number
