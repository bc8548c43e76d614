"""`file`: a clip, played like a camera or as fast as it goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.decoded import image_of, spec_of, stated_by_stream
from edgekit.device.runtime.frames.stream import Entry, StreamEnded, StreamGap, StreamRestarted, StreamStarted
from edgekit.device.runtime.sources.pace import Pace
from edgekit.device.runtime.sources.packets import PacketTap, demux
from edgekit.errors import InputError
from edgekit.imaging.image import Image
from edgekit.imaging.picture_file import check_pixels
from edgekit.schema.source import FileSource
from edgekit.stage import Frame, StreamInfo

_USUAL_FPS = 25


class ClipReader:
    """A clip, decoded on the thread that iterates over it. See `edgekit.device.runtime.sources.source.FrameSource`."""

    def __init__(
        self,
        name: str,
        source: FileSource,
        release: Path,
        *,
        pace: Pace | None = None,
        tap: PacketTap | None = None,
    ) -> None:
        """Open the clip and find out what its frames are.

        Args:
            name: the source's.
            source: how it is played.
            release: the folder that its path is relative to.
            pace: lets time pass; None: as the source says.
            tap: gets what it is decoded from.

        Raises:
            InputError: no such clip, not a video, or its colours are stated nowhere.
        """
        self.name, self.live = name, False
        self._source, self._tap = source, tap
        self._pace = pace or Pace(source.pace)
        self._sequence = 0
        self._length_s = 0.0
        try:
            self._clip: InputContainer = av.open(str(release / source.path))
            self._stream = self._clip.streams.video[0]
        except (OSError, FFmpegError, IndexError) as error:
            raise InputError(f"source {name}: {source.path} cannot be played: {error}", hint="give a video") from None
        self._stream.codec_context.thread_count = 1  # this thread decodes, and no other
        codec, fps = self._stream.codec_context, float(self._stream.average_rate or _USUAL_FPS)
        check_pixels(f"source {name}: {source.path}", codec.width, codec.height)
        self._spec = spec_of(stated_by_stream(codec), source.matrix, source.range, name)
        self.info = StreamInfo(name=name, spec=self._spec, fps=fps, codec=codec.name)

    def stop(self) -> None:
        """See `FrameSource.stop`."""
        self._pace.stop()

    def close(self) -> None:
        """See `FrameSource.close`."""
        self._clip.close()

    def entries(self, figures: LaneFigures) -> Iterator[Entry]:
        """See `FrameSource.entries`. Every pass of the clip but the first is a restart."""
        yield StreamStarted(info=self.info)
        began_s = self._pace.clock()
        passes = 0
        while not self._pace.stopped:
            yield from self._pass(began_s, figures)
            if self._pace.stopped:
                return
            passes += 1
            if passes == self._source.loops:
                yield StreamEnded(stream=self.info.name, reason=f"the clip was played {passes} times")
                return
            # A clip that begins again has no frames waiting from before, however late it is.
            began_s = max(began_s + self._length_s, self._pace.clock() - 1 / self.info.fps)
            self._clip.seek(0)
            yield StreamRestarted(info=self.info, again="pass", reason="the clip begins again")

    def _pass(self, began_s: float, figures: LaneFigures) -> Iterator[Entry]:
        """One pass. A frame's time is when a camera would have delivered it: late is late, whoever kept it waiting."""
        first_s: float | None = None
        count = -1  # `enumerate` holds what it gave last while the next one is decoded
        for decoded in self._decoded(figures):
            count += 1
            if isinstance(decoded, StreamGap):
                self._sequence += decoded.missing
                yield decoded
                continue
            at_s, image = decoded
            if at_s is None:
                at_s = count / self.info.fps
            first_s = at_s if first_s is None else first_s
            due_s = began_s + at_s - first_s
            self._length_s = at_s - first_s + 1 / self.info.fps
            captured_s = self._pace.until(due_s)
            if self._pace.stopped:
                return
            frame = Frame(stream=self.info.name, sequence=self._sequence, captured_s=captured_s, image=image)
            self._sequence += 1
            del image, decoded  # the frame's picture ends with its way, and nothing here shall hold it longer
            yield frame
            del frame

    def _decoded(self, figures: LaneFigures) -> Iterator[StreamGap | tuple[float | None, Image]]:
        """Pictures with their times in the clip, and gaps where packets were damaged.

        Raises:
            InputError: there is no picture in it.
            ValueError: the stream changed on its way.
        """
        missing, some = 0, False
        if self._tap is not None:
            self._tap.begin(self._stream)
        for packet in demux(self._clip, self._stream):
            figures.begin("decode")
            try:
                pictures = [(frame.time, image_of(frame, self._spec)) for frame in packet.decode()]
            except InvalidDataError:
                missing += 1
                continue
            finally:
                figures.end()
                if self._tap is not None:
                    self._tap.put(packet, self._pace.clock())
            if pictures and missing:
                yield StreamGap(stream=self.info.name, missing=missing)
                missing = 0
            some = some or bool(pictures)
            while pictures:
                yield pictures.pop(0)
            if self._pace.stopped:
                return
        if not some:
            raise InputError(f"{self._source.path} has no picture that can be decoded", hint="give another clip")
