"""What FFmpeg is told of a camera's address, and what nobody is told of it."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import av  # noqa: F401  its libraries are loaded by it
import pytest

from edgekit.device.runtime.sources.live import CameraLost
from edgekit.device.runtime.sources.rtsp import connect, full_url, options_of
from edgekit.device.runtime.sources.secrets import hider
from edgekit.schema.source import RtspSource
from tests.fakes.doorway import doorway

SECRET = "p@ss/w:rd ü"
_FAKE_OBJECT = 2
"""AV_OPT_SEARCH_FAKE_OBJ. Source: FFmpeg, libavutil/opt.h."""


def source(**more: object) -> RtspSource:
    return RtspSource(kind="rtsp", lane="l", **{"url": "rtsp://10.0.0.5:554/one", **more})  # type: ignore[arg-type]


def test_user_and_password_are_written_so_that_any_letter_may_be_in_them() -> None:
    assert full_url(source()) == "rtsp://10.0.0.5:554/one"
    assert full_url(source(user="edge")) == "rtsp://edge@10.0.0.5:554/one"
    found = full_url(source(user="me@home", password=SECRET))
    assert found == "rtsp://me%40home:p%40ss%2Fw%3Ard%20%C3%BC@10.0.0.5:554/one"


@pytest.mark.parametrize(
    "text", ["open {url}: failed", "login {password} refused", "a {quoted}b", "rtsp://u:other@host/x and {url}"]
)
def test_no_text_tells_a_password(text: str) -> None:
    camera = source(user="edge", password=SECRET)
    url = full_url(camera)
    quoted = url.split(":")[2].partition("@")[0]
    found = hider(camera.password)(text.format(url=url, password=SECRET, quoted=quoted))
    assert SECRET not in found and quoted not in found and "other" not in found and "***" in found


def test_a_text_without_secrets_stays_as_it_is() -> None:
    assert hider()("stream gate is down: mail me@home") == "stream gate is down: mail me@home"


def ffmpeg_option(name: str) -> bool:
    """Whether the FFmpeg in this process has an option for RTSP, in its client or in every demuxer."""
    files = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/libav" in line}
    libraries = {re.split(r"[-.]", Path(file).name)[0]: ctypes.CDLL(file) for file in files}
    formats, util = libraries["libavformat"], libraries["libavutil"]
    formats.av_find_input_format.restype = formats.avformat_get_class.restype = ctypes.c_void_p
    util.av_opt_find.restype = ctypes.c_void_p
    # AVInputFormat: name, long_name, flags, extensions, codec_tag, priv_class. Source: FFmpeg, libavformat/avformat.h.
    client = ctypes.cast(formats.av_find_input_format(b"rtsp"), ctypes.POINTER(ctypes.c_void_p))[5]
    classes = [ctypes.c_void_p(client), ctypes.c_void_p(formats.avformat_get_class())]
    return any(util.av_opt_find(ctypes.byref(one), name.encode(), None, 0, _FAKE_OBJECT) for one in classes)


@pytest.mark.parametrize("name", sorted(options_of(source())))
def test_this_ffmpeg_knows_each_option(name: str) -> None:
    """It ignores the others without a word: `stimeout` was one once, and cameras that hang then hang for ever."""
    assert ffmpeg_option(name)


def test_the_check_of_options_sees_unknown_ones() -> None:
    assert not ffmpeg_option("stimeout") and not ffmpeg_option("no_such_option")


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"RTSP/1.0 200 OK\r\nContent-Length: 99999\r\n\r\n"]
)
def test_what_is_no_camera_is_given_up_within_its_limit(answer: bytes) -> None:
    """If a limit were ignored, this would not end."""
    with doorway(answer) as door, pytest.raises(CameraLost, match=r"no answer for 0\.5 s") as caught:
        connect("gate", source(url=door.url(), user="edge", password=SECRET, connect_s=0.5))
    assert caught.value.state == "down" and SECRET not in str(caught.value) and door.url() not in str(caught.value)


def test_a_port_where_nobody_listens() -> None:
    with doorway(b"") as door:
        pass
    with pytest.raises(CameraLost, match="cannot be opened: Connection refused"):
        connect("gate", source(url=door.url()))
