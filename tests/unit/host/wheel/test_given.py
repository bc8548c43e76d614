"""Requirements that are files: each is known by its digest, or refused with what to write."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from edgekit.errors import EdgekitError, InputError, WheelError
from edgekit.host.progress import Silent
from edgekit.host.wheel.cross.downloads import Downloads
from edgekit.host.wheel.given import split
from edgekit.host.wheel.needs import Wanted
from tests.fakes.package_index import PackageIndex, sdist_bytes, wheel_bytes
from tests.unit.host.wheel.test_resolution import Bench

WANTED = Wanted(requirements=(), python="3.11", arch="aarch64", libc_version="2.36")
GATE = wheel_bytes("gate", "1.0", {"gate.py": ""}, ["lib; extra == 'fast'"])


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    (tmp_path / GATE[0]).write_bytes(GATE[1])
    (tmp_path / "pump-2.0.tar.gz").write_bytes(sdist_bytes("pump", "2.0")[1])
    (tmp_path / "own").mkdir()
    (tmp_path / "own/setup.py").write_text("setup()")
    return tmp_path


def downloads(base: Path) -> Downloads:
    return Downloads(folder=base / "sources", progress=Silent())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("./gate-1.0-py3-none-any.whl", ("gate-1.0-py3-none-any.whl", "", (), "")),
        ("gate[fast] @ ./gate-1.0-py3-none-any.whl", ("gate-1.0-py3-none-any.whl", "", ("fast",), "")),
        ("./gate-1.0-py3-none-any.whl ; extra < '3'", ("gate-1.0-py3-none-any.whl", "", (), "extra < '3'")),
        ("./pump-2.0.tar.gz", ("pump-2.0.tar.gz", "pump", (), "")),
        ("./own", ("", "own", (), "")),
        ("own @ file://{base}/own", ("", "own", (), "")),
        ("{base}/own", ("", "own", (), "")),
    ],
)  # fmt: skip
def test_files_beside_a_recipe(text: str, expected: tuple[object, ...], base: Path) -> None:
    plain, [given] = split(["lib>=1", text.format(base=base)], base, downloads(base))
    assert plain == ("lib>=1",)
    assert (given.filename, given.name, given.extras, given.marker) == expected
    assert given.url.startswith("file://") and len(given.sha256) == 64


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("./none.whl", "none.whl is not there", "starts from the recipe's folder"),
        ("./base.txt", "base.txt is no source package", "NAME-VERSION.tar.gz"),
        ("-e ./own", "an editable package cannot travel to a board; write ./FOLDER instead", ""),
        ("git+https://x/y", "clone it beside recipe.toml and write ./FOLDER", ""),
        ("y @ git+ssh://git@x/y@main", "clone it beside recipe.toml", ""),
        ("--extra-index-url https://x/", "declare the index under [python.indexes.NAME]", ""),
        ("-r none.txt", "none.txt cannot be read: No such file or directory", "ls -l"),
        ("-r circle.txt", "is in a circle of lists", "take the -r lines out"),
        ("-c base.txt", "write the lines of that file in python.constraints", ""),
        ("psutil===foo", 'foo is no version; write "psutil==1.0"', ""),
        ("https://me:secret@x/a-1.0.whl", "an address holds a user's name or password", ""),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_write(text: str, message: str, hint: str, base: Path) -> None:
    (base / "circle.txt").write_text("-r circle.txt\n")
    (base / "base.txt").write_text("lib\n")
    with pytest.raises(InputError) as refused:
        split([text], base, downloads(base))
    assert message in refused.value.message and hint in refused.value.hint
    assert "secret" not in refused.value.message.replace(text, "")


def test_lists_are_read_from_where_they_lie(base: Path) -> None:
    (base / "lists").mkdir()
    (base / "lists/all.txt").write_text("# ours\nlib>=1  # why\n-r more.txt\n\n../own\nother \\\n  >=2\n")
    (base / "lists/more.txt").write_text("\ufeffthird\n")
    plain, [given] = split(["-r lists/all.txt"], base, downloads(base))
    assert plain == ("lib>=1", "third", "other    >=2") and given.name == "own"


def test_an_address_needs_its_digest_and_the_hint_has_it(base: Path) -> None:
    with PackageIndex(GATE) as server:
        url = f"{server.root}/files/{GATE[0]}"
        with pytest.raises(InputError, match="its digest is missing") as refused:
            split([url], base, downloads(base))
        written = refused.value.hint.removeprefix("write ")
        assert written == f"{url}#sha256={hashlib.sha256(GATE[1]).hexdigest()}"
        _, [given] = split([written], base, downloads(base))
        assert given.filename == GATE[0] and not list((base / "sources").glob("*/*"))
        bench = Bench(base, server)
        bench.wanted = bench.wanted.with_files([given])
        assert bench.find() == {"gate": "1.0 wheel"}


def test_given_files_are_part_of_a_set_and_its_digest(base: Path) -> None:
    """Though the index has a newer one, and one of the same version with other content."""
    lib, newer = wheel_bytes("lib", "1.0", {"lib.py": ""}), wheel_bytes("gate", "2.0", {"gate.py": ""})
    with PackageIndex(lib, newer, wheel_bytes("gate", "1.0", {"gate.py": "other"})) as index:
        bench = Bench(base, index)
        _, given = split(["gate[fast] @ ./gate-1.0-py3-none-any.whl", "./own"], base, downloads(base))
        bench.wanted = bench.wanted.with_files(given)
        assert bench.find() == {"gate": "1.0 wheel", "lib": "1.0 wheel", "own": "0 source"}
        before = bench.wanted.digest
        (base / "own/setup.py").write_text("setup('changed')")
        _, given = split(["gate[fast] @ ./gate-1.0-py3-none-any.whl", "./own"], base, downloads(base))
        assert bench.wanted.with_files(given).digest != before


def test_a_wheel_for_another_system_is_refused(base: Path) -> None:
    name, content = wheel_bytes("gate", "1.0", {"gate.py": ""}, tag="cp310-cp310-linux_x86_64")
    (base / name).write_bytes(content)
    with PackageIndex() as index:
        bench = Bench(base, index)
        bench.wanted = bench.wanted.with_files(split([f"./{name}"], base, downloads(base))[1])
        with pytest.raises(WheelError, match=r"is for cp310-cp310-linux_x86_64, not for Python 3\.11") as refused:
            bench.find()
    assert isinstance(refused.value, EdgekitError)
