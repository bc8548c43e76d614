"""A builder's Python packages that only pretend to compile: a test decides how long it takes and what comes of it."""

from __future__ import annotations

import os
from pathlib import Path

from edgekit.host.engine.builder.devices import PackageFile
from edgekit.schema.manifest import FileEntry
from edgekit.trust import sha256_file

PROGRAM = """
import hashlib, json, os, signal, sys, time
from pathlib import Path
verb, folder = sys.argv[1], Path(sys.argv[2])
request = json.loads((folder / (verb + ".json")).read_text())
control = Path(os.environ["HOME"], "control")
control.mkdir(exist_ok=True)
with (control / (verb + "s")).open("a") as log:
    log.write(folder.resolve().name + "\\n")
(control / "pid").write_text(str(os.getpid()))
print("progress: compiling by " + verb, flush=True)
print("noise of the compiler", flush=True)
while (control / "hold").exists():
    time.sleep(0.02)
say = (control / "say")
answer = {}
if say.exists() and verb == "build":
    text = say.read_text()
    if text.isdigit():
        os.kill(os.getpid(), int(text))
    if text == "exit":
        sys.exit(7)
    if text != "nothing":
        answer = {"failure": {"message": text, "hint": "do better", "details": ""}}
if verb == "build":
    given = control / "engine"
    made = given.read_bytes() if given.exists() else b"engine of " + (folder / request["model"]).read_bytes()
    (folder / request["engine"]).write_bytes(made)
    answer.setdefault("engine_sha256", hashlib.sha256(made).hexdigest())
    if request.get("timing_cache"):
        old = folder / request["timing_cache"]
        old.write_bytes((old.read_bytes() if old.exists() else b"") + b"timed;")
        answer["timing_cache_sha256"] = hashlib.sha256(old.read_bytes()).hexdigest()
    given = control / "built.json"
    answer |= json.loads(given.read_text()) if given.exists() else {}
else:
    import shutil
    if (control / "unloadable").exists():
        answer = {"failure": {"message": "the engine does not load", "hint": "build it again", "details": ""}}
    shutil.copy(control / "answers.npz", folder / request["answers"]) if (control / "answers.npz").exists() else None
if not (say.exists() and say.read_text() == "nothing"):
    (folder / (verb + "-answer.json")).write_text(json.dumps(answer))
"""


def pretended_kit(folder: Path, extra_bytes: int = 0) -> tuple[PackageFile, ...]:
    """Files of a package `edgekit` whose builder is the program above, and some ballast to send."""
    made = kit_of(folder, PROGRAM)
    if extra_bytes:
        ballast = bytes(range(256)) * (extra_bytes // 256 // 2) + os.urandom(extra_bytes // 2)
        made = (*made, _file(folder, "ballast", ballast))
    return made


def kit_of(folder: Path, program: str) -> tuple[PackageFile, ...]:
    """Files of a package `edgekit` whose builder is a program."""
    files = {
        "edgekit/__init__.py": "",
        "edgekit/device/__init__.py": "",
        "edgekit/device/builder/__init__.py": "",
        "edgekit/device/builder/__main__.py": program,
    }
    return tuple(_file(folder, path, text.encode()) for path, text in files.items())


def _file(folder: Path, path: str, content: bytes) -> PackageFile:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return PackageFile(entry=FileEntry(path=path, sha256=sha256_file(file), bytes=len(content)), file=file)
