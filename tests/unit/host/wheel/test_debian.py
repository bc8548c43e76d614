"""Debian's packages: only what was locked is unpacked; what an archive gave up is taken anew, and told."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edgekit.errors import InputError, WheelError
from edgekit.host.progress import Silent
from edgekit.host.wheel.debian import Debian, NoArchive
from tests.fakes.scripted import ScriptedExecutor

SETS = """
[sets.libcap]
suite = "bookworm"
packages = ["libcap2", "libcap-dev"]
reason = "capabilities"
[sets.old]
suite = "bullseye"
packages = []
reason = "another suite"
"""


@dataclass
class Told(Silent):
    """Remembers notes."""

    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Archive:
    """A Debian archive in a folder, and a lock of what it has."""

    folder: Path
    told: Told = field(default_factory=Told)
    executor: ScriptedExecutor = field(default_factory=ScriptedExecutor)

    def add(self, name: str, version: str, content: bytes) -> str:
        """Put a package into the archive; gives its line."""
        path = self.folder / "debian" / f"pool/{name}_{version}_arm64.deb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(deb({f"./usr/lib/{name}.txt": content, f"./usr/include/{name}.h": b"h"}))
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return f"{name} {version} {sha256} {path.stat().st_size} pool/{path.name}\n"

    def lock(self, *lines: str, suite: str = "bookworm") -> None:
        (self.folder / "data").mkdir(exist_ok=True)
        (self.folder / "data/sets.toml").write_text(SETS)
        (self.folder / f"data/{suite}.lock").write_text("".join(lines))

    def debian(self, archive: str | None = None) -> Debian:
        return Debian(
            data=self.folder / "data",
            roots=self.folder / "roots",
            answers=self.folder / "answers",
            downloads=self.folder / "downloads",
            archive=(self.folder / "debian").as_uri() if archive is None else archive,
            executor=self.executor,
            progress=self.told,
            debootstrap=self.folder / "debootstrap",
        )


def deb(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    text = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.xz", data.getvalue())):
        text += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        text += content + b"\n" * (len(content) % 2)
    return text


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive(tmp_path)
    made.lock(made.add("libcap2", "2.66", b"library"), made.add("libcap-dev", "2.66", b"headers"))
    yield made
    left = [path for path in tmp_path.rglob("*") if path.name.startswith((".aside-", ".part-"))]
    assert not left, "nothing half is left"


def test_a_set_is_unpacked_into_one_root_that_says_what_it_is(archive: Archive) -> None:
    root = archive.debian().fetch_sets(["libcap"])
    assert (root.folder / "lib/libcap2.txt").read_bytes() == b"library", "lib leads to usr/lib"
    assert (root.folder / "usr/include/libcap-dev.h").is_file()
    assert root.described() == ("libcap-dev 2.66", "libcap2 2.66")
    assert archive.debian().fetch_root(["libcap-dev", "libcap2"], "bookworm") == root


def test_what_was_unpacked_takes_neither_network_nor_apt(archive: Archive) -> None:
    root = archive.debian().fetch_sets(["libcap"])
    (archive.folder / "debian").rename(archive.folder / "gone")
    assert archive.debian(archive="none").fetch_sets(["libcap"]) == root
    assert not archive.executor.asked and not archive.told.notes


def test_many_at_once_share_one_root(archive: Archive) -> None:
    with ThreadPoolExecutor(8) as pool:
        roots = list(pool.map(lambda _: archive.debian().fetch_sets(["libcap"]), range(8)))
    assert len(set(roots)) == 1 and (roots[0].folder / "lib/libcap2.txt").read_bytes() == b"library"
    assert [path.name for path in archive.folder.glob("roots/[!.]*")] == [roots[0].folder.parent.name]


def test_an_archive_that_has_something_else_is_not_believed(archive: Archive) -> None:
    [package] = (archive.folder / "debian/pool").glob("libcap2_*")
    package.write_bytes(deb({"./usr/lib/libcap2.txt": b"another"}))
    with pytest.raises(WheelError, match=r"libcap2_2\.66_arm64\.deb is (not what was locked|larger than)"):
        archive.debian().fetch_sets(["libcap"])
    assert not list(archive.folder.glob("roots/[!.]*"))


def test_a_version_that_the_archive_gave_up_is_taken_anew_and_told(archive: Archive) -> None:
    locked = archive.debian().fetch_root(["libcap-dev"], "bookworm").digest
    next((archive.folder / "debian/pool").glob("libcap2_*")).unlink()
    archive.executor.stdout = (
        archive.add("libcap-dev", "2.66", b"headers") + archive.add("libcap2", "2.67", b"newer")
    ).encode()
    root = archive.debian().fetch_sets(["libcap"])
    assert (root.folder / "lib/libcap2.txt").read_bytes() == b"newer"
    assert root.described() == ("libcap-dev 2.66", "libcap2 2.67") and root.digest != locked
    [note] = archive.told.notes
    assert "libcap2_2.66_arm64.deb" in note and "signed index" in note
    [(argv, _)] = archive.executor.asked
    assert argv == (str(archive.folder / "data/lock.sh"), "bookworm", "libcap-dev", "libcap2")
    assert archive.debian().fetch_sets(["libcap"]) == root
    assert len(archive.executor.asked) == 1 and len(archive.told.notes) == 1, "it is remembered"


def test_an_index_that_cannot_be_read_is_told(archive: Archive) -> None:
    next((archive.folder / "debian/pool").glob("libcap2_*")).unlink()
    archive.executor.returncode, archive.executor.stderr = 100, b"E: no such suite"
    with pytest.raises(WheelError, match="Debian's bookworm cannot be read") as raised:
        archive.debian().fetch_sets(["libcap"])
    assert raised.value.details == "E: no such suite"


@pytest.mark.parametrize("setting", ["none", ""])
def test_a_machine_without_an_archive_can_be_told_from_other_failures(setting: str, archive: Archive) -> None:
    archive.executor.stdout = b"http://archive.example.com/ubuntu/\n"
    with pytest.raises(NoArchive, match="knows no Debian archive") as raised:
        archive.debian(setting).fetch_sets(["libcap"])
    assert raised.value.exit_code == 4 and "EDGEKIT_DEBIAN_ARCHIVE" in raised.value.hint


def test_elsewhere_debootstrap_names_the_archive(archive: Archive) -> None:
    script = archive.folder / "debootstrap"
    script.write_text(f'DEF_MIRROR="{(archive.folder / "debian").as_uri()}/"\nDEF_HTTPS_MIRROR="x"\n')
    root = archive.debian("").fetch_sets(["libcap"])
    assert (root.folder / "lib/libcap2.txt").is_file()


def test_archives_are_those_of_this_machines_apt(archive: Archive) -> None:
    other = (archive.folder / "debian").rename(archive.folder / "mirror")
    (other / "debian").mkdir()
    (other / "pool").rename(other / "debian/pool")
    archive.executor.stdout = f"{other.as_uri()}/debian-security/\n{other.as_uri()}/debian/\nftp://x/ubuntu\n".encode()
    root = archive.debian("").fetch_sets(["libcap"])
    assert (root.folder / "lib/libcap2.txt").is_file()


def test_names_that_nobody_locked(archive: Archive) -> None:
    with pytest.raises(InputError, match=r"bookworm\.lock has no libfoo, libgoo"):
        archive.debian().fetch_root(["libgoo", "libcap2", "libfoo"], "bookworm")
    with pytest.raises(InputError, match="libcap, old are of different suites"):
        archive.debian().fetch_sets(["libcap", "old"])


def test_a_name_that_is_no_set_is_a_package_as_the_signed_index_has_it_now(archive: Archive) -> None:
    line = archive.add("libusb-1.0-0-dev", "2", b"headers") + archive.add("libusb-1.0-0", "2", b"library")
    archive.executor.stdout = line.encode()
    root = archive.debian().fetch_sets(["libcap", "libusb-1.0-0-dev"])
    assert archive.executor.asked[-1][0][1:] == ("bookworm", "--needs", "libusb-1.0-0-dev")
    assert (root.folder / "usr/lib/libusb-1.0-0.txt").is_file() and (root.folder / "usr/lib/libcap2.txt").is_file()
    assert "no lock has libusb-1.0-0-dev" in archive.told.notes[0]
    asked = len(archive.executor.asked)
    assert archive.debian().fetch_sets(["libcap", "libusb-1.0-0-dev"]) == root
    assert len(archive.executor.asked) == asked, "the answer is remembered"


def test_a_name_that_the_archive_does_not_know(archive: Archive) -> None:
    archive.executor.returncode, archive.executor.stderr = 1, b"no package libcpa\n"
    with pytest.raises(WheelError, match="Debian's bookworm has no package libcpa") as caught:
        archive.debian().fetch_sets(["libcpa"])
    assert "sets: libcap, old" in caught.value.hint
    with pytest.raises(NoArchive):
        archive.debian(archive="none").fetch_sets(["libusb-1.0-0-dev"])


def test_only_some_files_of_a_package(archive: Archive) -> None:
    whole = archive.debian().fetch_root(["libcap2"], "bookworm")
    some = archive.debian().fetch_root(["libcap2"], "bookworm", only=("usr/include/*",))
    files = [path.name for path in some.folder.rglob("*.*") if path.is_file() and not path.name.startswith(".")]
    assert files == ["libcap2.h"] and some.folder != whole.folder


@pytest.mark.parametrize(
    "line", ["libcap2\n", f"libcap2 1 {'0' * 63} 5 pool/a.deb\n", f"libcap2 1 {'0' * 64} 5 ../../a.deb\n"]
)
def test_a_lock_is_read_strictly(line: str, archive: Archive) -> None:
    archive.lock(line)
    with pytest.raises(InputError, match="line 1 is no locked package"):
        archive.debian().fetch_sets(["libcap"])


ROOT = Path(__file__).parents[4]


def test_the_shipped_locks_have_every_package_of_the_shipped_sets() -> None:
    data = Debian(
        data=ROOT / "cross/debian",
        roots=Path("/nonexistent"),
        answers=Path("/nonexistent"),
        downloads=Path("/nonexistent"),
        archive="none",
        executor=ScriptedExecutor(),
        progress=Silent(),
    )
    names = re.findall(r'^\[sets\."?([^"\]]+)', (data.data / "sets.toml").read_text(), re.MULTILINE)
    assert len(names) > 8
    for name in names:
        with pytest.raises(NoArchive):  # and not InputError
            data.fetch_sets([name])
