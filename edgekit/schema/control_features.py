"""What a keeper can do beside the framing of `schema.control`: its answer to `hello` lists it."""

from __future__ import annotations

FEATURES: tuple[str, ...] = (
    "zlib",
    "applications",
    "settings",
    "provenance",
    "preview",
    "clips",
    "code-patches",
    "trust",
    "memory",
    "leases",
    "trace",
    "why",
    "joined-chunks",
    "packed-texts",
)
"""What this keeper can do and one of the same protocol perhaps cannot: the host asks before it uses one.

`zlib`: chunks may be compressed. `applications`: several on one board; requests name one, and `start` and `remove` one.
`settings`: releases may declare them, and `activate` brings them. `provenance`: how a release was made is kept with it.
`trust`: trust files and permits are judged, and `hello` says which version is in force.
`preview`: workers are given a socket for viewers, and `edgekitd.pyz connect --preview NAME` leads there.
`clips`: it lists the clips of an application and hands them out. `memory`: it tells where an application's memory is.
`trace`: it has workers record their schedulers. `why`: it remembers what went wrong, and tells.
`code-patches`: files and texts may come as patches (`schema.patch`), blobs be named by how their digests begin.
`joined-chunks`: one chunk may bring several blobs. `packed-texts`: manifests and statements may come packed by zlib.
`leases`: it knows `ping`, keeps a lock that was taken with `lease` for as long as it hears of its client, and lets
others break it.
"""
