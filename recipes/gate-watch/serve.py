"""Cameras on loopback: GStreamer's RTSP server, which shows clips or test pictures and fails on command.

Runs on Debian's own Python, which has `gi`:  /usr/bin/python3 serve.py SHOWN... [--login USER PASSWORD_FILE] [--fps F]

One camera for each SHOWN, at /cam0, /cam1, ...: an H.264 clip (`clips/east.mp4`), a bare H.264 stream (`X.h264`, over
and over), or snow, encoded as it goes (`h264`, `h265`, `mjpeg`). A clip's first second is shown over and over until it
is played; then the rest, once, and then its last second.
Prints `port N` once it listens, and `played K` when a clip is through. Commands on stdin, each answered with `ok`:
    play K          show the rest of the clip, once
    freeze K        no packet any more, the connection stays: a camera that hangs until somebody connects anew
    still K, move K the same picture over and over, whoever connects (of snow): a frozen picture; and on again
    cut K           its connections end, as by a loss of power
    gone K, back K  its path is not there; and is again
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
_PACKETS = "video/x-h264,stream-format=byte-stream,alignment=au"


def snow(codec: str) -> str:
    """A camera's pipeline: snow, as a sensor's noise makes every picture another."""
    width, height = SIZE
    caps = f"video/x-raw,format=I420,width={width},height={height},framerate={FPS}/1,colorimetry=bt709"
    return f"( videotestsrc is-live=true pattern=snow name=test ! {caps} ! valve name=freeze ! {ENCODERS[codec]} )"


def bare(file: str) -> str:
    """A camera's pipeline: a stream without a container, over and over, which costs no encoder."""
    paced = f"multifilesrc location={file} loop=true ! h264parse name=parse ! identity sync=true"
    return f"( {paced} ! valve name=freeze ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )"


def stamp(_pad: object, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
    """A bare stream has no times of presentation; without B-frames they are those of decoding."""
    buffer = info.get_buffer()
    buffer.pts = buffer.dts
    return Gst.PadProbeReturn.OK


class Clip:
    """A recording's packets, sent at a steady rate: a street that is quiet until it is told to play."""

    def __init__(self, file: str, number: int, fps: float) -> None:
        self._packets = read_packets(file)
        self._keys = [place for place, (_, key) in enumerate(self._packets) if key]
        self._number = number
        self._place, self._playing, self._feeding = 0, False, None
        self._every_ms = max(1, round(1000 / fps))
        self.launch = (
            f"( appsrc name=clip is-live=true format=time do-timestamp=true caps={_PACKETS},"
            f"framerate={round(fps * 1000)}/1000 ! valve name=freeze ! h264parse config-interval=-1 "
            "! rtph264pay name=pay0 pt=96 )"
        )

    def play(self) -> None:
        self._playing = True

    def feed(self, media: GstRtspServer.RTSPMedia) -> None:
        """Send to whoever has come; it begins with a key frame."""
        source = media.get_element().get_by_name("clip")
        self._feeding = source
        if self._packets[self._place][1] is False:
            self._place = next((key for key in self._keys if key > self._place), self._keys[-1])
        GLib.timeout_add(self._every_ms, self._send, source)

    def _send(self, source: Gst.Element) -> bool:
        if source is not self._feeding:
            return False
        content, key = self._packets[self._place]
        buffer = Gst.Buffer.new_wrapped(content)
        if not key:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
            return False  # nobody is there any more
        self._step()
        return True

    def _step(self) -> None:
        after = self._place + 1
        if after == len(self._packets):
            if self._playing:
                self._playing = False
                say(f"played {self._number}")
            after = self._keys[-1]
        elif after == self._keys[1] and not self._playing:
            after = 0
        self._place = after


def read_packets(file: str) -> list[tuple[bytes, bool]]:
    """All access units of an H.264 clip, each with whether it is a key frame."""
    reader = Gst.parse_launch(
        f"filesrc name=file ! qtdemux ! h264parse config-interval=-1 ! {_PACKETS} ! appsink name=out sync=false"
    )
    reader.get_by_name("file").set_property("location", file)
    reader.set_state(Gst.State.PLAYING)
    packets, out = [], reader.get_by_name("out")
    while (sample := out.emit("try-pull-sample", 5 * Gst.SECOND)) is not None:  # none comes of what is no clip
        buffer = sample.get_buffer()
        packets.append((buffer.extract_dup(0, buffer.get_size()), not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)))
    reader.set_state(Gst.State.NULL)
    if not packets or not packets[0][1] or sum(key for _, key in packets) < 3:
        sys.exit(f"{file}: no H.264 clip with a key frame each second")
    return packets


class Camera:
    """One path of the server."""

    def __init__(self, server: GstRtspServer.RTSPServer, number: int, shown: str, *, fps: float) -> None:
        self._path, self._server = f"/cam{number}", server
        self._clip = Clip(shown, number, fps) if shown.endswith(".mp4") else None
        self._media: list[GstRtspServer.RTSPMedia] = []
        self._factory = GstRtspServer.RTSPMediaFactory()
        self._factory.set_launch(self._clip.launch if self._clip else snow(shown) if shown in ENCODERS else bare(shown))
        self._factory.set_shared(True)
        self._factory.connect("media-configure", self._configure)
        self._pattern = "snow"
        role = "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
        self._factory.add_role_from_structure(Gst.Structure.from_string(role)[0])
        self._server.get_mount_points().add_factory(self._path, self._factory)

    def do(self, word: str) -> None:
        """Carry out a command."""
        match word:
            case "play" if self._clip:
                self._clip.play()
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
        if self._clip:
            self._clip.feed(media)

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


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shown", nargs="+")
    parser.add_argument("--login", nargs=2, metavar=("USER", "PASSWORD_FILE"))
    parser.add_argument("--fps", type=float, default=FPS, help="of clips: slower for a slow board")
    wanted = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    if wanted.login:
        set_login(server, wanted.login[0], Path(wanted.login[1]).read_text().strip())
    cameras = [Camera(server, number, shown, fps=wanted.fps) for number, shown in enumerate(wanted.shown)]
    server.attach(None)
    say(f"port {server.get_bound_port()}")
    loop = GLib.MainLoop()
    GLib.timeout_add_seconds(2, lambda: (server.get_session_pool().cleanup(), True)[1])  # of clients that vanished

    def do(word: str, number: int) -> bool:
        cameras[number].do(word)
        say("ok")
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
