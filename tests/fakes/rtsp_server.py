"""Cameras on loopback for tests: GStreamer's RTSP server, whose streams fail on command.

Runs on Debian's own Python, which has `gi`:  /usr/bin/python3 rtsp_server.py PICTURES... [--login USER PASSWORD_FILE]

One camera for each codec (`h264`, `h265`, `mjpeg`: snow, encoded as it goes) or file of a bare H.264 stream (`X.h264`,
over and over, which costs no encoder), at /cam0, /cam1, ... Prints `port N` once it listens. Commands on stdin, each
answered with `ok`:
    freeze K            no packet any more, the connection stays: a camera that hangs until somebody connects anew
    still K, move K     the same picture over and over, whoever connects: a frozen picture; and on again
    cut K               its connections end, as by a loss of power
    gone K, back K      its path is not there; and is again
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

import gi  # type: ignore[import-not-found,unused-ignore]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
gi.require_version("GstRtsp", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # type: ignore[import-not-found,unused-ignore]  # noqa: E402

SIZE, FPS = (320, 176), 10
ENCODERS = {
    "h264": f"x264enc tune=zerolatency speed-preset=ultrafast threads=1 key-int-max={FPS} ! h264parse "
    "config-interval=-1 ! rtph264pay name=pay0 pt=96",
    "h265": f"x265enc tune=zerolatency speed-preset=ultrafast key-int-max={FPS} option-string=pools=1:frame-threads=1 "
    "! h265parse config-interval=-1 ! rtph265pay name=pay0 pt=96",
    "mjpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
}


def launch(pictures: str) -> str:
    """A camera's pipeline: a file, or snow, as a sensor's noise makes every picture another."""
    if pictures not in ENCODERS:
        paced = f"multifilesrc location={pictures} loop=true ! h264parse name=parse ! identity sync=true"
        return f"( {paced} ! valve name=freeze ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )"
    width, height = SIZE
    caps = f"video/x-raw,format=I420,width={width},height={height},framerate={FPS}/1,colorimetry=bt709"
    return f"( videotestsrc is-live=true pattern=snow name=test ! {caps} ! valve name=freeze ! {ENCODERS[pictures]} )"


def stamp(_pad: object, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
    """A bare stream has no times of presentation; without B-frames they are those of decoding."""
    buffer = info.get_buffer()
    buffer.pts = buffer.dts
    return Gst.PadProbeReturn.OK


class Camera:
    """One path of the server."""

    def __init__(self, server: GstRtspServer.RTSPServer, number: int, pictures: str, *, login: bool) -> None:
        self._path, self._server = f"/cam{number}", server
        self._media: list[GstRtspServer.RTSPMedia] = []
        self._factory = GstRtspServer.RTSPMediaFactory()
        self._factory.set_launch(launch(pictures))
        self._factory.set_shared(True)
        self._factory.connect("media-configure", self._configure)
        self._pattern = "snow"
        if login:
            role = "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
            self._factory.add_role_from_structure(Gst.Structure.from_string(role)[0])
        self._server.get_mount_points().add_factory(self._path, self._factory)

    def do(self, word: str) -> None:
        """Carry out a command."""
        match word:
            case "freeze":
                self._set("freeze", "drop", value=True)
            case "still" | "move":
                self._pattern = "red" if word == "still" else "snow"
                self._set("test", "pattern", self._pattern)
            case "cut":
                self._cut()
            case "gone":
                self._server.get_mount_points().remove_factory(self._path)
                self._cut()
            case "back":
                self._server.get_mount_points().add_factory(self._path, self._factory)

    def _configure(self, _factory: object, media: GstRtspServer.RTSPMedia) -> None:
        self._media.append(media)
        media.connect("unprepared", self._media.remove)
        self._set("test", "pattern", self._pattern)
        if (parser := media.get_element().get_by_name("parse")) is not None:
            parser.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, stamp)

    def _set(self, name: str, key: str, value: object) -> None:
        for media in self._media:
            if (element := media.get_element().get_by_name(name)) is not None:
                element.set_property(key, value)

    def _cut(self) -> None:
        self._server.client_filter(self._close)

    def _close(self, _server: object, client: GstRtspServer.RTSPClient) -> GstRtspServer.RTSPFilterResult:
        result = GstRtspServer.RTSPFilterResult

        def mine(_client: object, session: GstRtspServer.RTSPSession) -> GstRtspServer.RTSPFilterResult:
            return result.REF if session.get_media(self._path)[0] else result.KEEP

        if client.session_filter(mine):
            client.close()
            return result.REMOVE
        return result.KEEP


def set_login(server: GstRtspServer.RTSPServer, user: str, password: str) -> None:
    """Let one user in, by digest."""
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_digest(user, password, token)
    server.set_auth(auth)


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--login", nargs=2, metavar=("USER", "PASSWORD_FILE"))
    wanted = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    if wanted.login:
        set_login(server, wanted.login[0], Path(wanted.login[1]).read_text())
    cameras = [Camera(server, k, one, login=bool(wanted.login)) for k, one in enumerate(wanted.pictures)]
    server.attach(None)
    sys.stdout.write(f"port {server.get_bound_port()}\n")
    sys.stdout.flush()
    loop = GLib.MainLoop()
    GLib.timeout_add_seconds(2, lambda: (server.get_session_pool().cleanup(), True)[1])  # of clients that vanished

    def do(word: str, number: int) -> bool:
        cameras[number].do(word)
        sys.stdout.write("ok\n")
        sys.stdout.flush()
        return False

    def read() -> None:
        for line in sys.stdin:
            word, number = line.split()
            GLib.idle_add(do, word, int(number))
        GLib.idle_add(loop.quit)

    threading.Thread(target=read, daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
