"""Package indexes: wheels and source packages made here, served over HTTP on loopback, with a password where asked.

Source: PEP 503 (pages), PEP 427 (wheels), RFC 7617 (basic authentication).
"""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from packaging.utils import canonicalize_name

SETUP_PY = "from setuptools import setup\nsetup(name={name!r}, version={version!r}, install_requires={needs!r}{more})\n"


def wheel_bytes(
    name: str,
    version: str,
    files: Mapping[str, str],
    needs: Iterable[str] = (),
    *,
    tag: str = "py3-none-any",
    extras: Iterable[str] = (),
) -> tuple[str, bytes]:
    """A wheel's file name and content."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Provides-Extra: {extra}\n" for extra in extras)
    metadata += "".join(f"Requires-Dist: {need}\n" for need in needs)
    texts = dict(files)
    texts[f"{info}/METADATA"] = metadata
    texts[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"
    record = "".join(f"{path},sha256={_record_digest(text)},{len(text)}\n" for path, text in texts.items())
    texts[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in texts.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return f"{name}-{version}-{tag}.whl", made.getvalue()


def sdist_bytes(name: str, version: str, needs: Iterable[str] = (), before: str = "") -> tuple[str, bytes]:
    """A source package whose needs only its setup.py knows; `before` is the first of its lines."""
    setup = before + SETUP_PY.format(name=name, version=version, needs=list(needs), more=f", py_modules=[{name!r}]")
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for path, text in {"setup.py": setup, f"{name}.py": f"VERSION = {version!r}\n"}.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return f"{name}-{version}.tar.gz", made.getvalue()


def _record_digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class PackageIndex:
    """A running index."""

    def __init__(self, *files: tuple[str, bytes], login: tuple[str, str] | None = None, yanked: str = "") -> None:
        self.files = dict(files)
        self.requests: list[tuple[str, str]] = []
        """Path, and the header Authorization, of each request."""
        self.sent_on: dict[str, str] = {}
        """Paths that are answered with another address."""
        self._login, self._yanked = login, yanked
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> PackageIndex:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def root(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """Address of the index."""
        return f"{self.root}/simple"

    def answer(self, path: str, authorization: str) -> tuple[int, bytes]:
        """Status and body for a request."""
        self.requests.append((path, authorization))
        if self._login and authorization != "Basic " + base64.b64encode(":".join(self._login).encode()).decode():
            return 401, b""
        if path in self.sent_on:
            return 302, b""
        kind, _, name = path.strip("/").partition("/")
        if kind == "files" and name in self.files:
            return 200, self.files[name]
        links = [self._link(file) for file in self.files if canonicalize_name(file.split("-")[0]) == name]
        return (200, "".join(links).encode()) if kind == "simple" and links else (404, b"")

    def _link(self, file: str) -> str:
        digest = hashlib.sha256(self.files[file]).hexdigest()
        mark = ' data-yanked="was wrong"' if file == self._yanked else ""
        return f'<a href="/files/{file}#sha256={digest}"{mark}>{file}</a>\n'


def _handler(index: PackageIndex) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = index.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
            if status == 302:
                self.send_header("Location", index.sent_on[self.path])
            self.send_header("Content-Type", "text/html" if self.path.startswith("/simple") else "application/zip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    return Handler
