"""`edgekitd.pyz VERB [--prefix DIR]`: the keeper's own command line.

    run      the daemon, in the foreground
    spawn    process mode: start `run` in the background if none answers, and wait until it does
    halt     process mode: end it, and its workers with it
    connect  copy standard input and output to and from the control socket, or `--preview NAME` an application's preview
    version  what this file is

    patch      what `run` starts to apply patches: FD MOST_BYTES, a socket that it inherits and the largest output
    telemetry  what `run` starts to read the board's sensors: answers on the socket that it inherits

`run` wants to be a systemd service with `Type=notify NotifyAccess=main WatchdogSec=30 Delegate=yes Slice=edgekit.slice
Restart=always RestartSec=1 KillMode=mixed TimeoutStopSec=20 ExecStart=/usr/bin/python3 -I
/usr/lib/edgekit/edgekitd.pyz run`, and does without where it must. Workers inherit what else the unit says: leave
/var/lib/edgekit writable, and devices visible.

Imports are inside the verbs: `connect` runs once per command on boards where importing is slow.
"""

# ruff: noqa: PLC0415

from __future__ import annotations

import os
import sys

VERBS = ("run", "spawn", "halt", "connect", "version")


def main(argv: list[str]) -> int:
    """Run one verb; the exit code is that of `edgekit.errors`, each error in one sentence."""
    match argv:
        case ["connect", "--prefix", prefix, "--preview", application]:
            return _connect_preview(prefix, application)
        case ["patch", fd, most_bytes] if fd.isdigit() and most_bytes.isdigit():
            from edgekit.device.keeper.patching.program import main as apply_patches

            return apply_patches(int(fd), int(most_bytes))
    verb, prefix = _arguments(argv)
    if verb == "connect":
        from edgekit.device.keeper.control.connect import connect
        from edgekit.schema.board import BoardPaths

        return connect(BoardPaths(prefix=prefix).socket)
    if verb == "version":
        return _version()
    if verb == "telemetry":
        return _telemetry()
    if verb not in VERBS:
        sys.stderr.write(f"error: usage: edgekitd.pyz {'|'.join(VERBS)} [--prefix DIR]\n")
        return 2
    return _guarded(verb, prefix)


def _arguments(argv: list[str]) -> tuple[str, str]:
    match argv:
        case [verb] | [verb, "--prefix", "/"]:
            return verb, "/"
        case [verb, "--prefix", prefix] | ["--prefix", prefix, verb] if prefix.startswith("/"):
            return verb, prefix
    return "", ""


def _connect_preview(prefix: str, application: str) -> int:
    from edgekit.device.keeper.control.connect import connect
    from edgekit.schema.board import BoardPaths
    from edgekit.schema.names import is_application_name

    if not is_application_name(application):
        sys.stderr.write("error: --preview takes the name of an application\n")
        return 2
    return connect(BoardPaths(prefix=prefix).preview_socket(application), f"the preview of {application}")


def _version() -> int:
    import json

    import edgekit
    from edgekit.schema.control import PROTOCOL

    print(json.dumps({"version": edgekit.__version__, "protocol": PROTOCOL}))
    return 0


def _telemetry() -> int:
    from edgekit.device.telemetry.program import main
    from edgekit.schema.telemetry import TELEMETRY_FD_VARIABLE

    fd = os.environ.get(TELEMETRY_FD_VARIABLE, "")
    if not fd.isdigit():
        sys.stderr.write("error: telemetry is started by the keeper\nhint: edgekit status DEVICE shows it\n")
        return 2
    return main(int(fd))


def _guarded(verb: str, prefix: str) -> int:
    from pathlib import Path

    from edgekit.device.keeper import background, service
    from edgekit.device.keeper.layout import Layout
    from edgekit.errors import EdgekitError

    layout = Layout(prefix=Path(prefix))
    program = Path(sys.argv[0]).resolve()
    try:
        if verb == "run":
            return service.run(layout, program, os.environ)
        found = background.spawn(layout, program) if verb == "spawn" else background.halt(layout)
    except EdgekitError as error:
        sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\n{error.details}".rstrip() + "\n")
        return error.exit_code
    print(found)
    return 0
