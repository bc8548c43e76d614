"""What a program in the sandbox may see, and the file system that follows from it. Pure, but for `look_at_system`.

The rule is a closed list: what is not named is not there. So the user's home, keys, agents, other caches and other
people's temporary files need no names here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"),
    *("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d"),
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/hosts", "/etc/os-release", "/sys/devices/system"),
)
"""What programs of this machine take to start: nothing in it is a secret. The last tells libraries how many CPUs there
are, of which a result may depend."""
_NETWORK = ("/etc/resolv.conf", "/etc/gai.conf", "/etc/ssl", "/etc/ca-certificates", "/etc/pki")
"""What reaching a server takes beyond that."""
_EMPTY = ("/tmp", "/var/tmp")  # noqa: S108  places inside, empty ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What one program may see and change. Paths are the same inside and outside: they end up in what it makes."""

    environment: Mapping[str, str]
    """All of its variables."""
    cwd: Path
    """Where it starts; within what it may see."""
    readable: tuple[Path, ...] = ()
    """Files and folders; those that are missing count for nothing."""
    writable: tuple[Path, ...] = ()
    """Folders, also within a readable one."""
    temporary: Path | None = None
    """A folder that is its /tmp; None: one in memory."""
    network: bool = False
    """Whether it reaches more than its own loopback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file or folder of this machine, at a place inside."""

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RootPlan:
    """A whole file system, beside /proc and /dev: to be made in this order."""

    links: tuple[tuple[str, str], ...]
    """Path, and the text of the link there."""
    empty: tuple[str, ...]
    """Folders in memory."""
    mounts: tuple[Mount, ...]
    """Parents before what lies in them."""
    cwd: str
    network: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemRoot:
    """What of this machine's own root every program may see."""

    links: tuple[tuple[str, str], ...]
    mounts: tuple[Mount, ...]
    network: tuple[Mount, ...]
    """Only for those that reach the network."""


def plan_root(box: Box, system: SystemRoot) -> RootPlan:
    """The file system for a program."""
    own = {mount.target: mount for mount in _own_mounts(box)}
    network = system.network if box.network else ()
    return RootPlan(
        links=system.links,
        empty=tuple(path for path in _EMPTY if path not in own),
        mounts=(*system.mounts, *network, *sorted(own.values(), key=_depth)),
        cwd=str(box.cwd),
        network=box.network,
    )


def look_at_system(root: Path = Path("/")) -> SystemRoot:
    """What this machine's root has; links such as /bin stay links."""
    links, mounts = [], []
    for name in _SYSTEM:
        place = root / name.lstrip("/")
        if place.is_symlink():
            links.append((name, str(place.readlink())))
        elif place.exists():
            mounts.append(Mount(source=str(place), target=name))
    network = [(root / name.lstrip("/"), name) for name in _NETWORK]
    reachable = tuple(Mount(source=str(place.resolve()), target=name) for place, name in network if place.exists())
    return SystemRoot(links=tuple(links), mounts=tuple(mounts), network=reachable)


def _own_mounts(box: Box) -> Iterator[Mount]:
    """A box's own paths: where they are asked for, and where their links lead."""
    for paths, writable in ((box.readable, False), (box.writable, True)):
        for path in paths:
            if path.exists():
                source = str(path.resolve())
                for target in dict.fromkeys((str(path.absolute()), source)):
                    yield Mount(source=source, target=target, writable=writable)
    if box.temporary is not None:
        yield Mount(source=str(box.temporary.resolve()), target="/tmp", writable=True)  # noqa: S108


def _depth(mount: Mount) -> tuple[int, str]:
    return mount.target.count("/"), mount.target
