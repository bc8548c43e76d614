"""Holds a builder device for one workstation: its lock, its files, its programs. Self-contained: sent as text.

    python3 -I -c TEXT FOLDER

Framing, both ways: one JSON object on one line and, where it carries `payload_bytes`, that many raw bytes after it.

reserve  holder, what   takes the device's lock, which ends with this process -> {} or {held: {holder, what, for_s}}
have     sizes          bytes by SHA-256 -> {missing: {sha256: bytes that are there already}}; damaged blobs are deleted
put      sha256, offset, encoding (raw, zlib), last, payload: no answer; what fails is reported by `lay`
lay      folder, files {path, sha256, executable}, keep: lays out a folder -> {path}; with `keep`, one that is there and
         holds these files and nothing else is used again
run      argv, cwd, deadline_s  -> {progress: text}..., {beat}..., then {returncode, output, ended_by}
         A link that breaks meanwhile does not stop the program, `cancel` does: the next conversation finds what it left
fetch    path, limit    -> {payload_bytes, sha256} and the file, unless it is larger; {missing: true} where none is
wipe     folder         deletes one that was laid out, with what programs left there -> {bytes}: how many were freed
clean                   deletes all that is kept here, but the lock -> {bytes}
Whatever cannot be done -> {error, hint}. Python 3.10 and newer, standard library alone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections import deque
from pathlib import Path
from typing import Any, BinaryIO

MAX_LINE_BYTES = 4 << 20
MAX_PIECE_BYTES = 4 << 20
_UNUSED_DAYS = 30
_BEAT_S = 5.0
_TAIL_LINES = 400
_PROGRESS = b"progress: "


class Refused(Exception):
    """What cannot be done, and what helps."""

    def __init__(self, error: str, hint: str) -> None:
        super().__init__(error)
        self.answer = {"error": error, "hint": hint}


class Agent:
    """One conversation."""

    def __init__(self, folder: Path, requests: BinaryIO, answers: BinaryIO) -> None:
        self.folder = folder
        self.requests = requests
        self.answers = answers
        self.failures: dict[str, str] = {}
        """Why a blob could not be taken, by its digest."""
        self.hung_up = False
        """Whether the workstation has ended the conversation."""
        self.reserved = False

    def serve(self) -> None:
        """Answer until the other side hangs up."""
        verbs = {
            "have": self.have,
            "put": self.put,
            "lay": self.lay,
            "run": self.run,
            "fetch": self.fetch,
            "wipe": self.wipe,
            "clean": self.clean,
        }
        with contextlib.ExitStack() as held:
            while (line := self.requests.readline(MAX_LINE_BYTES)) and line.endswith(b"\n"):
                request = json.loads(line)
                verb = request.get("verb")
                try:
                    if verb == "reserve":
                        self.reply(self.reserve(request, held))
                    elif not self.reserved:
                        raise Refused("the device is not reserved", "report this")
                    elif verb in verbs:
                        verbs[verb](request)
                except Refused as refused:
                    self.reply(refused.answer)
                except OSError as error:
                    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                    hint = f"df -h {self.folder}" if full else "edgekit builder clean NAME, if that is of edgekit's own"
                    self.reply({"error": f"{error.strerror or error}: {error.filename or self.folder}", "hint": hint})

    def reply(self, answer: dict[str, Any]) -> None:
        """Send an answer, unless the workstation has hung up."""
        if not self.hung_up:
            try:
                self.answers.write(json.dumps(answer).encode() + b"\n")
                self.answers.flush()
            except OSError:
                self.hung_up = True

    def reserve(self, request: dict[str, Any], held: contextlib.ExitStack) -> dict[str, Any]:
        """Take the lock; the kernel releases it when this process ends, however it ends."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = held.enter_context((self.folder / "lock").open("a+"))
        except PermissionError:
            user = os.environ.get("USER") or str(os.getuid())
            raise Refused(f"{user} may not write to {self.folder}", "log in as root there") from None
        except (FileExistsError, NotADirectoryError) as error:
            raise Refused(f"{error.strerror}: {error.filename}", f"move what lies at {error.filename} there") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            try:
                note = json.loads(lock.read(4096))
                for_s = max(0.0, time.time() - note["since_s"])
                return {"held": {"holder": note["holder"], "what": note["what"], "for_s": for_s}}
            except (ValueError, KeyError):  # its holder has not written it yet
                return {"held": {"holder": "somebody", "what": "", "for_s": 0.0}}
        lock.truncate(0)
        lock.write(json.dumps({"holder": request["holder"], "what": request["what"], "since_s": time.time()}))
        lock.flush()
        self.reserved = True
        self.prune()
        return {}

    def prune(self) -> None:
        """Delete what nobody has used for long."""
        for path in [*self.folder.glob("blobs/*"), *self.folder.glob("laid/*")]:
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _UNUSED_DAYS * 86400:
                    _remove(path)

    def have(self, request: dict[str, Any]) -> None:
        """List the blobs that are not here whole, and how much of each is."""
        self.failures.clear()
        missing = {}
        for sha256, size in request["sizes"].items():
            whole, part = self.blob(sha256), self.blob(sha256, ".part")
            if _is_content(whole, sha256):
                os.utime(whole)
                continue
            _remove(whole)
            missing[sha256] = min(part.stat().st_size, size) if part.is_file() else 0
        self.reply({"missing": missing})

    def put(self, request: dict[str, Any]) -> None:
        """Take the next piece of a blob; a piece that cannot be taken is reported by `lay`."""
        size = int(request["payload_bytes"])
        if not 0 <= size <= MAX_PIECE_BYTES:
            raise Refused(f"a piece has {size} bytes", "report this")
        piece, sha256 = self.requests.read(size), request["sha256"]
        try:
            if request.get("encoding") == "zlib":
                piece = zlib.decompressobj().decompress(piece, MAX_PIECE_BYTES)
            part = self.blob(sha256, ".part")
            part.parent.mkdir(parents=True, exist_ok=True)
            with part.open("r+b" if part.exists() else "wb") as file:
                file.truncate(int(request["offset"]))
                file.seek(int(request["offset"]))
                file.write(piece)
            if request.get("last"):
                self.finish(sha256, part)
        except (OSError, zlib.error) as error:
            self.failures.setdefault(sha256, str(error))

    def finish(self, sha256: str, part: Path) -> None:
        """Store a blob that is what its name says; delete one that is not."""
        if _is_content(part, sha256):
            part.rename(self.blob(sha256))
        else:
            part.unlink()
            self.failures[sha256] = "it is not what was announced"

    def lay(self, request: dict[str, Any]) -> None:
        """Lay files out. A folder with `keep` is named by its content: laid out once, and checked when used again."""
        folder = self.folder / "laid" / _inside(request["folder"])
        if request.get("keep") and _holds(folder, request["files"]):
            os.utime(folder)
            self.reply({"path": str(folder)})
            return
        if self.failures:
            raise Refused(f"a file could not be taken: {next(iter(self.failures.values()))}", f"df -h {self.folder}")
        aside = folder.with_name(f".{folder.name}")
        _remove(aside)
        if request.get("keep") or not folder.is_dir():
            _remove(folder)
        for file in request["files"]:
            path = aside / _inside(file["path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.blob(file["sha256"]), path)
            if file.get("executable"):
                path.chmod(0o755)
        aside.mkdir(parents=True, exist_ok=True)
        if request.get("keep"):
            aside.rename(folder)
        else:  # beside what an earlier run of the same job left
            folder.mkdir(parents=True, exist_ok=True)
            for path in aside.iterdir():
                if (folder / path.name).is_dir():
                    _remove(folder / path.name)
                path.replace(folder / path.name)
            aside.rmdir()
        self.reply({"path": str(folder)})

    def run(self, request: dict[str, Any]) -> None:
        """Run a program to its end, or to the deadline."""
        process = subprocess.Popen(
            request["argv"],
            cwd=self.folder / "laid" / _inside(request["cwd"]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder), "LANG": "C.UTF-8"},
        )
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        ended_by = self.follow(process, tail, time.monotonic() + float(request["deadline_s"]))
        with contextlib.suppress(ProcessLookupError):  # what it left running, too
            os.killpg(process.pid, signal.SIGKILL)
        self.reply({"returncode": process.wait(), "output": "\n".join(tail)[-65536:], "ended_by": ended_by})

    def follow(self, process: subprocess.Popen[bytes], tail: deque[str], deadline_s: float) -> str:
        """Read what it prints until it ends; gives what ended it before that: `deadline`, `cancel`; else empty."""
        assert process.stdout is not None
        rest = b""
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            ready.register(self.requests, selectors.EVENT_READ)
            while time.monotonic() < deadline_s:
                events = {key.fileobj for key, _ in ready.select(_BEAT_S)}
                if not events:
                    self.reply({"beat": True})
                if self.requests in events and self.cancelled():
                    return "cancel"
                if self.hung_up and self.requests in ready.get_map():
                    ready.unregister(self.requests)
                if process.stdout in events:
                    piece = os.read(process.stdout.fileno(), 1 << 16)
                    if not piece:
                        self.forward([rest], tail)
                        return ""
                    *lines, rest = (rest + piece)[-(1 << 20) :].split(b"\n")
                    self.forward(lines, tail)
        return "deadline"

    def forward(self, lines: list[bytes], tail: deque[str]) -> None:
        """Send lines of progress at once, and collect the others for the end."""
        for line in lines:
            if line.startswith(_PROGRESS):
                self.reply({"progress": line[len(_PROGRESS) :].decode(errors="replace")[:500]})
            else:
                tail.append(line.decode(errors="replace")[:2000])

    def cancelled(self) -> bool:
        """Whether the workstation cancels. When it only hung up, the program goes on."""
        line = self.requests.readline(MAX_LINE_BYTES)
        self.hung_up = self.hung_up or not line
        return b'"cancel"' in line

    def fetch(self, request: dict[str, Any]) -> None:
        """Send a file that a program left."""
        file = self.folder / "laid" / _inside(request["path"])
        if not file.is_file():
            self.reply({"missing": True})
            return
        size = file.stat().st_size
        self.reply({"payload_bytes": size, "sha256": _digest(file)})
        if size > request["limit"]:
            return
        with file.open("rb") as content:
            while not self.hung_up and (piece := content.read(1 << 20)):
                self.answers.write(piece)
            self.answers.flush()

    def wipe(self, request: dict[str, Any]) -> None:
        """Delete a folder that was laid out."""
        self.reply({"bytes": _remove(self.folder / "laid" / _inside(request["folder"]))})

    def clean(self, request: dict[str, Any]) -> None:  # noqa: ARG002
        """Delete all that is kept here. The lock stays: it is what this conversation holds."""
        self.reply({"bytes": sum(_remove(path) for path in self.folder.iterdir() if path.name != "lock")})

    def blob(self, sha256: str, suffix: str = "") -> Path:
        """Path of a blob."""
        if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
            raise Refused(f"{sha256!r} is no SHA-256 digest", "report this")
        return self.folder / "blobs" / f"{sha256}{suffix}"


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while piece := content.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _is_content(file: Path, sha256: str) -> bool:
    """Whether a file is there and is what the digest says."""
    return file.is_file() and _digest(file) == sha256


def _holds(folder: Path, files: list[dict[str, Any]]) -> bool:
    """Whether a folder has these files whole, and nothing else: what else lies there would be imported too."""
    found = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()
    }
    return found == {file["path"] for file in files} and all(
        _is_content(folder / _inside(file["path"]), file["sha256"]) for file in files
    )


def _remove(path: Path) -> int:
    """Delete a file or folder, whatever it is; gives how many bytes its files had."""
    if path.is_dir() and not path.is_symlink():
        freed = sum(_remove(below) for below in path.iterdir())
        path.rmdir()
        return freed
    if not os.path.lexists(path):
        return 0
    size = path.lstat().st_size
    path.unlink()
    return size


def _inside(path: str) -> str:
    """A relative path that stays inside its folder."""
    if not path or path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
        raise Refused(f"{path!r} is no path inside a folder", "report this")
    return path


if __name__ == "__main__":
    Agent(Path(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer).serve()
