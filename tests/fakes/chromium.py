"""A real Chromium without a window, led over its own pipe: no library, no port."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fakes.eventually import PATIENCE_S

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Chromium:
    """One page. Source: Chrome DevTools Protocol; messages end with a zero byte on --remote-debugging-pipe."""

    def __init__(self, to: int, out_of: int) -> None:
        self._to, self._from, self._buffer, self._number = to, out_of, b"", 0
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.said: list[str] = []
        """What went wrong in the page: its console, refused resources."""
        for domain in ("Page", "Runtime", "Log"):
            self.page(f"{domain}.enable")

    def ask(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """One command and its answer."""
        self._number += 1
        message = {
            "id": self._number,
            "method": method,
            "params": params,
            **({"sessionId": session} if session else {}),
        }
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (found := self._next()).get("id") != self._number:
            if found.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
                self.said.append(json.dumps(found["params"]))
        assert "error" not in found, found
        result: dict[str, Any] = found["result"]
        return result

    def page(self, method: str, **params: Any) -> dict[str, Any]:
        """The same of the page."""
        return self.ask(method, self._session, **params)

    def go(self, url: str) -> None:
        self.page("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """What JavaScript of the page gives."""
        found = self.page("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until it is true."""
        until_s = time.monotonic() + PATIENCE_S
        while not self.value(expression):
            assert time.monotonic() < until_s, (expression, self.said, self.value("document.body.innerText"))
            time.sleep(0.05)

    def screenshot(self, width_px: int, height_px: int) -> bytes:
        """A PNG of the page."""
        size = {"width": width_px, "height": height_px}
        self.page("Emulation.setDeviceMetricsOverride", deviceScaleFactor=1, mobile=False, **size)
        return base64.b64decode(self.page("Page.captureScreenshot", format="png")["data"])

    def _next(self) -> dict[str, Any]:
        until_s = time.monotonic() + PATIENCE_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0.0, until_s - time.monotonic()))
            piece = os.read(self._from, 1 << 20) if ready else b""
            assert piece, "Chromium says nothing any more"
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def running_chromium(folder: Path) -> Iterator[Chromium]:
    """One for as long as the block runs; all that it keeps lies in `folder`."""
    assert PROGRAM is not None
    theirs_in, to = os.pipe()
    out_of, theirs_out = os.pipe()
    # The program reads its commands from descriptor 3 and answers on 4.
    script = f'exec 3<&{theirs_in} 4>&{theirs_out}; exec "$@"'
    options = [
        "--headless=new",
        "--disable-gpu",
        "--no-first-run",
        "--disable-dev-shm-usage",
        "--remote-debugging-pipe",
    ]
    rights = ["--no-sandbox"] if os.getuid() == 0 else []
    argv = ["bash", "-c", script, "sh", PROGRAM, *options, *rights, f"--user-data-dir={folder}", "about:blank"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, pass_fds=(theirs_in, theirs_out), stdout=log, stderr=log)
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Chromium(to, out_of)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(to)
        os.close(out_of)
