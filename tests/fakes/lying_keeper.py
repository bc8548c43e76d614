"""A device whose keeper was taken over: a program that speaks the real protocol on real streams, and lies in one way.

It knows nothing of edgekit: what it sends is put together by hand, so that no check on this side can mend it.
"""

from __future__ import annotations

from pathlib import Path

from edgekit.schema.board import BoardPaths

KEEPER = """
import hashlib, itertools, json, sys, time
STATUS = {
    "keeper": "0.1.0", "keeper_pid": 5, "uptime_s": 9.0, "locks": {}, "store_bytes": 0, "disk_free_bytes": 1 << 33,
    "memory_total_bytes": 1 << 33, "memory_promised_bytes": 0, "memory_reserve_bytes": 1 << 26,
    "confinement": {"lacks": []},
    "applications": [{
        "application": "sorter", "phase": "running", "healthy": True, "unhealthy_because": [],
        "current": {"digest": "ab" * 32, "application": "sorter", "version": "0.9.0", "signer": "ann"},
        "worker": {
            "pid": 7, "state": "running", "restarts": 0, "last_exit": "", "oom_kills": 0, "memory_current": 1 << 20,
            "memory_peak": 1 << 20, "memory_max": 1 << 26, "cpuset_cpus": "0", "limits": "enforced", "limits_note": "",
        },
        "report": {"phase": "running", "fps": 10.0, "frames": 7},
    }],
}
APPLICATION, = STATUS["applications"]
FEATURES = ["zlib", "applications", "settings", "provenance", "memory", "trace", "why", "clips", "leases"]
OFFER = {"signer": "ann", "installed": False, "current": False, "missing": [], "disk_free_bytes": 1 << 33}
DONE = {
    "hello": {"keeper": "0.1.0", "protocol": 1, "keeper_sha256": "ab", "features": FEATURES},
    "status": STATUS,
    "offer": OFFER,
    "memory": {"application": "sorter", "pid": 7},
    "why": {"applications": ["sorter"], "incidents": []},
    "settings": {"application": "sorter", "release": "ab" * 32},
}
INCIDENT = {"kind": "restarted", "number": 1, "at_s": 1e9, "application": "sorter", "reason": "exited with code 3"}
BEFORE = {"logs": [{"kind": "log", "message": "a line", "data": {"application": "sorter", "at_s": 1e9}}]}
offered = ["", []]

def send(event):
    raw(json.dumps(event).encode() + b"\\n")

def raw(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()

def answer(verb, request, payload):
    for event in BEFORE.get(verb, []):
        send(event)
    if verb == "offer":
        manifest = payload[: len(payload) - request.get("signature_bytes", 0)]
        offered[:] = hashlib.sha256(manifest).hexdigest(), json.loads(manifest)["files"]
        missing = [{"sha256": one["sha256"], "have_bytes": 0} for one in offered[1]]
        send({"kind": "done", "data": {"digest": offered[0], **OFFER, "missing": OFFER["missing"] or missing}})
        return
    if verb == "activate":
        commit(request["digest"])
    send({"kind": "done", "data": DONE.get(verb, {})})

def commit(digest):
    APPLICATION["current"] = {**APPLICATION["current"], "digest": digest}

def speak():
    raw(b"MARK\\n")
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        payload = sys.stdin.buffer.read(request.get("payload_bytes", 0))
        if request["verb"] not in ("ping", "chunk", "patch"):
            answer(request["verb"], request, payload)
"""


def install_keeper(prefix: Path, lie: str = "") -> None:
    """Lay a keeper below a prefix, where a device's lies.

    Args:
        prefix: the device's.
        lie: statements that come before it speaks, and change what it knows and does; none: it tells the truth.
    """
    from edgekit.schema.answer import ANSWER_MARK

    program = Path(BoardPaths(prefix=str(prefix)).program)
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(KEEPER.replace("MARK", ANSWER_MARK) + lie + "\nspeak()\n")
