"""QEMU's command line, its control socket, and what is kept of images and templates."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgekit.errors import EdgekitError, Unreachable
from edgekit.executor.local import LocalExecutor
from edgekit.host.board.image import ALONE, _build, image_key
from edgekit.host.board.machine import Firmware, Machine, Ram, socket_fits
from edgekit.host.board.qmp import Qmp
from edgekit.host.board.shapes import SHAPES
from edgekit.host.board.template import Seed, Template, _copy_seeded, _usable, forget
from edgekit.host.cache import Cache
from edgekit.host.preflight import find_program
from edgekit.host.progress import Silent
from edgekit.trust import sha256_bytes
from tests.fakes.scripted import ScriptedExecutor

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
FIRMWARE = Firmware(kernel=Path("/t/Image"), initrd=Path("/t/initrd.cpio"), dtb=None)


def machine(folder: str, port: int, *, shared: bool) -> Machine:
    ram = Ram(file=Path("/t/ram.bin"), shared=shared)
    return Machine(
        shape=SHAPES["virt"],
        firmware=FIRMWARE,
        disk=Path(folder, "disk.qcow2"),
        folder=Path(folder),
        port=port,
        ram=ram,
    )


def test_a_clone_differs_from_its_template_only_where_it_may() -> None:
    made = machine("/a", 1001, shared=True).argv()
    clone = machine("/b", 1002, shared=False).argv(incoming=True)
    told = [word.replace("/b/", "/a/").replace(":1002-", ":1001-").replace("share=off", "share=on") for word in clone]
    assert told == [*made, "-incoming", "defer"]


def test_every_shape_says_what_it_is_like() -> None:
    for name in ("rk3588", "orin-nano"):
        shape = SHAPES[name]
        assert shape.target == "", "detection decides"
        assert shape.model and max(shape.capacities) == 1024
    assert len(set(SHAPES["rk3588"].capacities)) == 2


def test_a_socket_that_is_too_deep_is_noticed() -> None:
    assert socket_fits(Path("/s"))
    assert not socket_fits(Path("/" + "s" * 95))


def test_the_images_key_follows_names_and_contents(tmp_path: Path) -> None:
    file = tmp_path / "packages.txt"
    file.write_text("udev\n")
    first = image_key(tmp_path)
    file.write_text("udev\nkmod\n")
    second = image_key(tmp_path)
    file.rename(tmp_path / "names.txt")
    assert len({first, second, image_key(tmp_path)}) == 3


@pytest.fixture
def qemu(tmp_path: Path) -> Iterator[Callable[[list[dict[str, object]]], Path]]:
    """Serves one client the given lines: the greeting, then one after each command."""
    listener = socket.socket(socket.AF_UNIX)
    listener.settimeout(10)

    def serve(lines: list[dict[str, object]]) -> Path:
        listener.bind(str(tmp_path / "qmp.sock"))
        listener.listen()
        threading.Thread(target=talk, args=(lines,), daemon=True).start()
        return tmp_path / "qmp.sock"

    def talk(lines: list[dict[str, object]]) -> None:
        client, _ = listener.accept()
        with contextlib.suppress(OSError), client, client.makefile("rw") as file:
            for line in lines:
                file.write(json.dumps(line) + "\n")
                file.flush()
                if "event" not in line:
                    file.readline()

    yield serve
    listener.close()


def test_events_between_answers_are_passed_over(qemu: Callable[[list[dict[str, object]]], Path]) -> None:
    path = qemu([{"QMP": {}}, {"return": {}}, {"event": "STOP"}, {"return": {"status": "running"}}])
    with Qmp(path) as talk:
        assert talk("query-status") == {"status": "running"}


def test_a_refusal_is_an_error_with_its_words(qemu: Callable[[list[dict[str, object]]], Path]) -> None:
    path = qemu([{"QMP": {}}, {"return": {}}, {"error": {"desc": "no such device"}}])
    with Qmp(path) as talk, pytest.raises(EdgekitError, match="no such device"):
        talk("set_link", name="n9", up=True)


def test_a_qemu_that_hangs_is_unreachable_soon(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "qmp.sock"))
        silent.listen()  # the kernel takes the connection; nobody ever speaks
        with pytest.raises(Unreachable, match="does not greet"):
            Qmp(tmp_path / "qmp.sock", answer_s=0.1)


def test_a_qemu_that_is_gone_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        Qmp(tmp_path / "qmp.sock", wait_s=0.05)


def test_a_forgotten_template_keeps_its_disk_and_its_place(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "templates")
    assert _usable("virt-ab", cache) == "virt-ab"
    template = Template(
        folder=cache.get("virt-ab", lambda made: (made / "disk.qcow2").touch()).folder, shape=SHAPES["virt"]
    )
    assert _usable("virt-ab", cache) == "virt-ab"
    forget(template)
    forget(template)
    assert template.disk.exists() and cache.check("virt-ab") == ""
    assert _usable("virt-ab", cache) == "virt-ab-2"


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    mke2fs = shutil.which(find_program("mke2fs"))
    if mke2fs is None or shutil.which(find_program("debugfs")) is None:
        pytest.skip("needs e2fsprogs")
    root = tmp_path / "root"
    (root / "var" / "lib").mkdir(parents=True)
    run(mke2fs, "-q", "-t", "ext4", "-d", str(root), str(tmp_path / "disk"), "4M")
    return tmp_path / "disk"


def test_a_seed_lands_in_the_store_read_only(disk: Path, tmp_path: Path) -> None:
    content = b"\x7fELF someone else's library"
    name = sha256_bytes(content)
    source = tmp_path / "a file"
    source.write_bytes(content)
    copy = tmp_path / "copy"
    _copy_seeded(disk, copy, Seed(files={name: source, name + ".x": source}), LocalExecutor())
    store = f"/var/lib/edgekit/store/sha256/{name[:2]}"
    debugfs = find_program("debugfs")
    assert run(debugfs, "-R", f"cat {store}/{name}.x", str(copy)).encode() == content
    listed = run(debugfs, "-R", f"ls -l {store}", str(copy))
    modes = {line.split()[-1]: line.split()[1] for line in listed.splitlines() if name in line}
    assert modes == {name: "100444", name + ".x": "100555"}
    run(find_program("e2fsck"), "-fn", str(copy))


def test_a_seed_that_does_not_fit_is_told(disk: Path, tmp_path: Path) -> None:
    source = tmp_path / "large"
    source.write_bytes(bytes(range(256)) * (6 << 12))
    with pytest.raises(EdgekitError, match="1 file could not be put"):
        _copy_seeded(disk, tmp_path / "copy", Seed(files={"ab" * 32: source}), LocalExecutor())


def test_every_stage_of_an_image_runs_alone(tmp_path: Path) -> None:
    executor = ScriptedExecutor()
    (tmp_path / "image").mkdir()
    _build(tmp_path / "scripts", tmp_path / "image", executor, Silent())
    stages = [argv for argv, _ in executor.asked if "rootfs.sh" in " ".join(argv)]
    assert [argv[-2] for argv in stages] == ["unpack", "configure", "settle", "pack", "clean"]
    root = () if os.geteuid() == 0 else ("sudo", "-n")
    assert all(argv[: len(root) + len(ALONE)] == (*root, *ALONE) for argv in stages)


@as_root
@pytest.mark.parametrize("end", ["by itself", "killed"])
def test_what_a_stage_mounts_and_starts_ends_with_it(end: str, tmp_path: Path) -> None:
    """An image build that was cut short left binfmt_misc mounted."""
    if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this root may not make namespaces")
    (tmp_path / "mounted").mkdir()
    script = '(mount -t tmpfs none mounted && mountpoint -q mounted && echo mounted; [ "$1" = killed ] && sleep 600)'
    argv = [*ALONE, "sh", "-c", script, "sh", end]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=tmp_path, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "mounted\n"
        if end == "killed":
            process.kill()
        assert process.stdout.read() == "", "whoever held this pipe has ended"
    assert not (tmp_path / "mounted").is_mount()
