"""What is looked up when an incident is written down: it may be gone when somebody asks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.layout import Layout
from edgekit.schema.incident import Incident

_IN_USE = re.compile(r"[Aa]ddress already in use")
_PORT = re.compile(r"\('[^']*', (\d{1,5})|\bport (\d{1,5})\b|:(\d{1,5})\b")
"""As Python's socket and asyncio name an address that is taken; as people do."""
_MOST_PROCESSES = 4096
_LISTENS, _UDP_BOUND = "0A", "07"
"""Source: Linux, include/net/tcp_states.h; net/ipv4/udp.c shows an unconnected socket as TCP_CLOSE."""


class Evidence:
    """Looks at the disk and at /proc."""

    def __init__(self, layout: Layout, disk: Filesystem, proc: Path = Path("/proc")) -> None:
        self._layout = layout
        self._disk = disk
        self._proc = proc

    def gathered(self, incident: Incident) -> Incident:
        """The incident with what can be found out beside it. What cannot be is left out."""
        figures, facts = dict(incident.figures), dict(incident.facts)
        try:
            figures["disk_free_bytes"] = self._disk.free_bytes(self._layout.state_dir)
            if not self._disk.takes_files(self._layout.state_dir):
                facts["inodes"] = "none left"
        except OSError:
            pass
        text = "\n".join([incident.reason, *incident.log])
        port = _port_of(text) if incident.cause == "port_taken" or _IN_USE.search(text) else 0
        if port:
            figures["port"] = port
            if holder := self._holder(port):
                facts["port_holder"] = holder
        return replace(incident, figures=figures, facts=facts)

    def _holder(self, port: int) -> str:
        """Which process listens on a port: `nginx (process 312)`; empty where it cannot be seen."""
        sockets = {f"socket:[{inode}]" for inode in self._inodes(port)}
        if not sockets:
            return ""
        for folder in list(self._proc.glob("[0-9]*"))[:_MOST_PROCESSES]:
            try:
                if any(os.readlink(entry.path) in sockets for entry in os.scandir(folder / "fd")):  # noqa: PTH115
                    return f"{(folder / 'comm').read_text().strip()} (process {folder.name})"
            except OSError:  # it has ended, or is not ours to look at
                continue
        return ""

    def _inodes(self, port: int) -> Iterator[str]:
        """Of sockets that are bound to a port. Source: Linux, Documentation/networking/proc_net_tcp.rst."""
        for name, state in (("tcp", _LISTENS), ("tcp6", _LISTENS), ("udp", _UDP_BOUND), ("udp6", _UDP_BOUND)):
            try:
                lines = (self._proc / "net" / name).read_text().splitlines()[1:]
            except OSError:
                continue
            for line in lines:
                fields = line.split()
                if len(fields) > 9 and fields[3] == state and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _port_of(text: str) -> int:
    """The port that an error speaks of; 0 where it names none."""
    for line in text.splitlines():
        if _IN_USE.search(line) and (found := _PORT.search(line)):
            port = int(next(filter(None, found.groups())))
            return port if port < 1 << 16 else 0
    return 0
