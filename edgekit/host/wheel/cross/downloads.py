"""Files of indexes and archives, fetched whole, cached by their digest, and checked whenever they are used."""

from __future__ import annotations

import base64
import errno
import hashlib
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edgekit.errors import WheelError
from edgekit.host.cache import Cache
from edgekit.host.progress import Progress
from edgekit.schema.units import format_bytes
from edgekit.trust import sha256_file

_MAX_BYTES = 2 << 30
_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 60.0
_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})


class NotThere(WheelError):
    """The server has no such file (any more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user name and password. Never printed."""

    user: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(...)"


def no_credentials(_url: str) -> Credentials | None:
    """For servers that anybody may ask."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloads:
    """Where files are cached, and how servers are asked."""

    folder: Path
    """Folder of the cache for them."""
    progress: Progress
    login: Callable[[str], Credentials | None] = no_credentials
    """Who to be at an address."""

    def cached(self, sha256: str, filename: str) -> Path | None:
        """A file that was fetched before and still is what was locked, read to its end: its code runs, and is signed.

        The cache's own digests do not count here: who can change the file can change them alike.
        """
        cache = Cache(self.folder, self.progress)
        cached = cache.take(_key(sha256, filename))
        if cached is None:
            return None
        file = cached.folder / filename
        if [item.path for item in cached.content.items] == [filename] and sha256_file(file) == sha256:
            return file
        cache.throw_away(cached, f"it is not the {filename} that was locked")
        return None

    def fetch(self, url: str, sha256: str, most: int = _MAX_BYTES) -> Path:
        """A file, whole: from the cache, or fetched.

        Args:
            url: http, https or file.
            sha256: what it must have.
            most: in bytes; no more than that is read.

        Raises:
            NotThere: the server has no such file.
            WheelError: it cannot be had, is not what was locked, or is too large.
        """
        name = filename_of(url)
        if there := self.cached(sha256, name):
            return there

        def make(folder: Path) -> None:
            found = self._receive(url, folder / name, most)
            if found != sha256:
                raise _another(name, found, sha256)

        return Cache(self.folder, self.progress).get(_key(sha256, name), make, name).folder / name

    def digest(self, url: str) -> str:
        """The SHA-256 of a file that nobody has locked yet; the file is not kept."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".aside-") as part:
            return self._receive(url, Path(part.name), _MAX_BYTES)

    def _receive(self, url: str, part: Path, most: int) -> str:
        """Write what the server sends into `part`, and give its digest."""
        name = filename_of(url)
        if urlsplit(url).scheme not in ("http", "https", "file"):
            raise WheelError(f"{name} is at an address of an unknown kind", hint="use https, or a file")
        try:
            with urllib.request.urlopen(self._request(url), timeout=_TIMEOUT_S) as answer:  # noqa: S310  checked
                return self._write(answer, part, name, most)
        except urllib.error.HTTPError as error:
            raise _refused(name, error) from None
        except (OSError, ValueError) as error:
            raise _not_fetched(name, self.folder, error) from None

    def _request(self, url: str) -> urllib.request.Request:
        request = urllib.request.Request(url, headers={"User-Agent": "edgekit"})  # noqa: S310  scheme checked
        login = self.login(url)
        if login is not None:
            token = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {token}")  # never to where it is sent on to
        return request

    def _write(self, answer: urllib.response.addinfourl, part: Path, name: str, most: int) -> str:
        digest, size = hashlib.sha256(), 0
        total = int(answer.headers.get("Content-Length") or 0)
        with part.open("wb") as file, self.progress.amount(f"fetching {name}", total) as advance:
            while block := answer.read(_CHUNK_BYTES):
                size += len(block)
                if size > most:
                    message = f"{name} is larger than {format_bytes(most)}, the most that it may have"
                    raise WheelError(message, hint="take another version, or distrust the server")
                digest.update(block)
                file.write(block)
                advance(len(block))
        return digest.hexdigest()


def _key(sha256: str, filename: str) -> str:
    """Names a file in the cache: by its digest, and its name, which tells what it is."""
    return f"{sha256}.{re.sub(r'[^A-Za-z0-9._+-]', '_', filename)}"


def filename_of(url: str) -> str:
    """The file's name in an address."""
    return unquote(urlsplit(url).path).rsplit("/", maxsplit=1)[-1]


def _refused(name: str, error: urllib.error.HTTPError) -> WheelError:
    if error.code in (401, 403):
        host = urlsplit(error.url or "").hostname
        return WheelError(
            f"{name} cannot be fetched: {host} got no credentials, or wrong ones ({error.code})",
            hint="give them as uv takes them: UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD, ~/.netrc or keyring",
        )
    kind = NotThere if error.code in (404, 410) else WheelError
    return kind(f"{name} cannot be fetched: {error}", hint="check the network and try again")


def _not_fetched(name: str, cache: Path, error: OSError | ValueError) -> WheelError:
    reason = getattr(error, "reason", error)
    if isinstance(error, OSError) and error.errno in _DISK:
        return WheelError(f"{name} cannot be kept: {error.strerror}", hint=f"df -h {cache}")
    kind = NotThere if isinstance(reason, FileNotFoundError) else WheelError  # of a file: address
    return kind(f"{name} cannot be fetched: {reason}", hint="check the network and try again")


def _another(name: str, found: str, locked: str) -> WheelError:
    return WheelError(
        f"{name} is not what was locked: its SHA-256 is {found[:12]}..., locked is {locked[:12]}...",
        hint="if the package was published anew, edgekit wheel lock RECIPE --target T; else distrust the index",
    )
