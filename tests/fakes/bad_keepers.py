"""Keepers that are no good, each in its own way: edgekit's own with another beginning."""

from __future__ import annotations

import io
import zipfile

from edgekit.host.provision.keeper_zip import build_keeper

_BEGINNINGS = {
    "good": "",
    "crashes": "raise SystemExit('no camera, no keeper')\n",
    "hangs": "import time\ntime.sleep(3600)\n",
    "dies": "import os, threading\nthreading.Timer({after_s}, os._exit, (3,)).start()\n",
    "deaf": (
        "import edgekit.device.keeper.control.listener as listener\nlistener.ControlServer.start = lambda self: None\n"
    ),
    "idle": (
        "import edgekit.device.keeper.process.supervisor as supervisor\n"
        "supervisor.Supervisor.start = lambda self, release: None\n"
    ),
    "stuck": (
        "import time\nimport edgekit.device.keeper.loop as loop\nloop.Keeper.run = lambda self: time.sleep(3600)\n"
    ),
    "other python": "match = 1\nif match is 1 print()\n",
}


def keeper_that(name: str, after_s: float = 0.0) -> bytes:
    """A keeper: `good` in another build, or bad as told, where it is to `run`: its other verbs are good."""
    beginning = _BEGINNINGS[name].format(after_s=after_s)
    out, source = io.BytesIO(), zipfile.ZipFile(io.BytesIO(build_keeper()))
    with source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename == "__main__.py":
                only_run = "".join(f"    {line}\n" for line in beginning.splitlines())
                head = f"# {name}\nimport sys\nif 'run' in sys.argv:\n{only_run}    pass\n"
                content = (beginning.encode() if name == "other python" else head.encode()) + content
            archive.writestr(entry, content)
    return out.getvalue()
