"""The compiler is prepared for what sources are written in, and for nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.host.wheel.cross.warmup import languages_of


@pytest.mark.parametrize(
    ("files", "languages"),
    [
        ({"setup.py": "", "filter/kalman.py": "language = c++ is not asked for here"}, set()),
        ({"spidev.c": "", "setup.py": ""}, {"c"}),
        ({"fast.pyx": "cdef int x", "setup.py": ""}, {"c"}),
        ({"lap.pyx": "# distutils: language = c++"}, {"c", "c++"}),
        ({"lap.pyx": "", "setup.py": "Extension('lap', ['lap.pyx'], language='c++')"}, {"c", "c++"}),
        ({"deep/er/module.cpp": ""}, {"c", "c++"}),
        ({"only/headers.hpp": ""}, {"c", "c++"}),
        ({"meson.build": "project('x', 'cpp')"}, {"c", "c++"}),
    ],
)
def test_languages_are_read_off_the_sources(files: dict[str, str], languages: set[str], tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert languages_of(tmp_path) == languages
