"""Who holds a port, and how full the disk is, is looked up while it is so."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from edgekit.device.keeper.incidents.evidence import Evidence
from edgekit.schema.incident import Incident
from tests.fakes.keeper import make_layout
from tests.fakes.recording import QuickFilesystem


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    return Evidence(make_layout(tmp_path), QuickFilesystem())


@pytest.mark.parametrize(
    "words",
    [
        "OSError: [Errno 98] Address already in use (while attempting to bind on address ('127.0.0.1', {port}))",
        "[Errno 98] error while attempting to bind on address ('127.0.0.1', {port}): address already in use",
        "http server: address already in use: 127.0.0.1:{port}",
        "port {port} is busy: Address already in use",
    ],
)
def test_the_process_that_holds_a_port_is_named(evidence: Evidence, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = evidence.gathered(Incident(kind="rolled_back", reason=words.format(port=port)))
    assert found.figures["port"] == port
    assert f"(process {os.getpid()})" in found.facts["port_holder"]


@pytest.mark.parametrize(
    "words", ["[Errno 98] Address already in use", "it listens on port 80", "Address already in use: 99999"]
)
def test_a_port_that_is_not_named_is_not_guessed(evidence: Evidence, words: str) -> None:
    found = evidence.gathered(Incident(kind="rolled_back", reason=words))
    assert "port" not in found.figures and not found.facts


def test_what_is_left_of_the_disk_is_noted(evidence: Evidence) -> None:
    assert evidence.gathered(Incident(kind="refused")).figures["disk_free_bytes"] > 0
