"""`images`: a folder of pictures."""

from __future__ import annotations

from pathlib import Path

from edgekit.device.runtime.sources.numbered import NumberedSource, Picture
from edgekit.device.runtime.sources.pace import Pace
from edgekit.errors import InputError
from edgekit.imaging.picture_file import read_picture_file
from edgekit.schema.source import PICTURE_SUFFIXES, ImagesSource
from edgekit.stage import StreamInfo


class PictureFolder:
    """The pictures of a folder, by their names."""

    def __init__(self, name: str, folder: Path) -> None:
        """List them.

        Raises:
            InputError: there is none.
        """
        self._name = name
        there = sorted(folder.iterdir()) if folder.is_dir() else []
        self._files = [file for file in there if file.suffix.lower() in PICTURE_SUFFIXES]
        self.count = len(self._files)
        if not self._files:
            raise InputError(
                f"source {name}: there is no picture in {folder.name}", hint="put PNG or JPEG files into it"
            )

    def picture(self, number: int) -> Picture:
        """See `PictureMaker.picture`. Raises InputError where a file is no picture."""
        file = self._files[number]
        return Picture(image=read_picture_file(file, f"source {self._name}: {file.name}"))


def play_folder(name: str, source: ImagesSource, release: Path, pace: Pace | None = None) -> NumberedSource:
    """The source of a folder.

    Raises:
        InputError: there is no picture in it.
    """
    pictures = PictureFolder(name, release / source.path)
    info = StreamInfo(name=name, spec=pictures.picture(0).image.spec, fps=source.fps)
    return NumberedSource(info, pictures, loops=source.loops, pace=pace or Pace(source.pace), live=False)
