"""Measures one release: `... --release DIR [--user NAME]`. A `ProfileRequest` on standard input, the reply on standard
output. Root becomes that user before any of the release's code runs, as a worker's starter does."""

from __future__ import annotations

import argparse
import os
import pwd
import sys
from pathlib import Path

from edgekit.device.runtime.profiling.profile import profile
from edgekit.device.runtime.rehearsal.rehearse import leave_network
from edgekit.device.runtime.small_pages import use_small_pages
from edgekit.schema.message import from_message, to_message
from edgekit.schema.profile import ProfileRequest

_OOM_SCORE = 900
"""Where the board runs out of memory, this goes before any worker (500). Source: Linux, proc_pid_oom_score_adj(5)."""


def main() -> None:
    """Measure, answer, and leave at once: a thread of the recipe's code must not keep the process."""
    use_small_pages()
    reply = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the recipe's code prints is no answer
    Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE))
    alone = leave_network()
    parser = argparse.ArgumentParser(prog="edgekit-profile")
    parser.add_argument("--release", type=Path, required=True)
    parser.add_argument("--user", default="")
    asked = parser.parse_args()
    if asked.user and os.geteuid() == 0:
        _become(asked.user)
    request = from_message(ProfileRequest, sys.stdin.buffer.read(), "the request")
    reply.write(to_message(profile(request, asked.release, alone=alone)))
    reply.flush()
    os._exit(0)


def _become(user: str) -> None:
    """Give up root. Groups stay those that own cameras and accelerators."""
    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    os.environ["HOME"] = "/nonexistent"
    os.chdir("/")


if __name__ == "__main__":
    main()
