"""Real source packages, cross-built and tried on the board's own Python under emulation.

Light ones of different back ends run always; the others with `make test-wheels`. An arm64 Python 3.10 cannot be had
from Debian: for it each module is checked to take only what CPython 3.10 exports, which the build itself does.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import edgekit
from edgekit.host.settings import Settings, settings_from
from edgekit.host.wheel.check.elf import read_elf
from tests.fakes.board_python import DebianPython, debian_python, unpack
from tests.fakes.shipped_targets import target_text

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Package:
    """A source package, and one real thing that it does."""

    requirement: str
    code: str
    needs: tuple[str, ...] = ()
    """Wheels of an index that it imports."""


LIGHT = (
    Package("posix-ipc==1.3.2", "import posix_ipc as p; s = p.Semaphore(None, p.O_CREX); s.unlink(); print('ok')"),
    Package("psutil==7.2.2", "import psutil, os; print('ok' if psutil.Process().pid == os.getpid() else '')"),
    Package(
        "lap==0.5.13",
        "import lap, numpy; cost, x, _ = lap.lapjv(numpy.array([[4.0, 1.0], [2.0, 9.0]]));"
        "print('ok' if cost == 3 else x)",
        ("numpy==2.2.6",),
    ),
    Package(
        "stl-reader==0.2.3",
        "import stl_reader, struct, numpy; t = struct.pack('<12fH', *range(12), 0);"
        "open(P, 'wb').write(bytes(80) + struct.pack('<I', 1) + t); v, f = stl_reader.read(P);"
        "print('ok' if v.shape == (3, 3) and v[0].tolist() == [3, 4, 5] else v)",
        ("numpy==2.2.6",),
    ),
    Package(
        "pywavelets<1.10",
        "import pywt, numpy; a, d = pywt.dwt([1, 1, 2, 2], 'haar');"
        "print('ok' if numpy.allclose(d, 0) and numpy.allclose(pywt.idwt(a, d, 'haar'), [1, 1, 2, 2]) else (a, d))",
        ("numpy==2.2.6",),
    ),
    Package("iniconfig<2.4", "import iniconfig; print('ok' if list(iniconfig.IniConfig('x', '[a]\\nb=1')) else '')"),
)
"""setuptools with C; abi3; setuptools with Cython, C++ and numpy; scikit-build-core with nanobind; meson-python;
hatchling."""

HEAVY = (
    Package(
        "cython-bbox==0.1.5",
        "import numpy; from cython_bbox import bbox_overlaps as o; b = numpy.array([[0.0, 0, 9, 9]]);"
        "print('ok' if o(b, b)[0, 0] == 1 else o(b, b))",
        ("numpy==2.2.6",),
    ),
    Package(
        "pycocotools==2.0.11",
        "import numpy; from pycocotools import mask; m = numpy.asfortranarray(numpy.eye(4, dtype='uint8'));"
        "print('ok' if mask.area(mask.encode(m)) == 4 else '')",
        ("numpy==2.2.6",),
    ),
    Package(
        "msgpack<1.3",
        "import msgpack, msgpack._cmsgpack as c; print('ok' if c.unpackb(c.Packer().pack([1])) == [1] else '')",
    ),
    Package(
        "lz4==4.4.5", "import lz4.frame as f; d = b'edge' * 99; print('ok' if f.decompress(f.compress(d)) == d else '')"
    ),
    Package("ujson==6.1.0", "import ujson; print('ok' if ujson.loads(ujson.dumps({'a': 1.5})) == {'a': 1.5} else '')"),
    Package("spidev==3.8", "import spidev; s = spidev.SpiDev(); s.close(); print('ok')"),
    Package(
        "python-prctl==1.8.1", "import prctl; prctl.set_name('edge'); print('ok' if prctl.get_name() == 'edge' else '')"
    ),
    Package(
        "levenshtein<0.28",
        "import Levenshtein; print('ok' if Levenshtein.distance('a', 'ab') == 1 else '')",
        ("rapidfuzz",),
    ),
    Package("evdev<2.1", "from evdev import ecodes; print('ok' if ecodes.KEY_A == 30 else '')"),
    Package("pyyaml==6.0.3", "import yaml; print('ok' if yaml.load('a: [1]', yaml.CSafeLoader) == {'a': [1]} else '')"),
    Package(
        "zxing-cpp==3.1.1",
        "import zxingcpp as z, numpy; code = z.create_barcode('EDGE', z.BarcodeFormat.QRCode);"
        "i = numpy.array(code.to_image(scale=4));"
        "print('ok' if [found.text for found in z.read_barcodes(i)] == ['EDGE'] else '')",
        ("numpy==2.2.6",),
    ),
    Package(
        "uvloop==0.23.0",
        "import asyncio, uvloop; exec('''async def one():\n"
        "    server = await asyncio.start_server(lambda r, w: (w.write(b'ok'), w.close()), '127.0.0.1', 0)\n"
        "    r, w = await asyncio.open_connection('127.0.0.1', server.sockets[0].getsockname()[1])\n"
        "    print((await r.read()).decode())\nuvloop.run(one())''')",
    ),
)
"""Among them: a library put into the wheel, nanobind with stubs, and autotools."""

LONG = Package(
    "dlib==20.0.1",
    "import dlib, numpy; x = list(dlib.max_cost_assignment(dlib.matrix([[1, 2], [3, 1]])));"
    "found = dlib.get_frontal_face_detector()(numpy.zeros((96, 96), 'uint8'));"
    "print('ok' if x == [1, 0] and not found and not dlib.DLIB_USE_CUDA else x)",
    ("numpy==2.2.6",),
)
"""setuptools that calls CMake."""


class Bench:
    """A user who builds, in a folder of the test's own; caches are the user's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def build(self, *words: str, target: str = "virt-arm64") -> list[dict[str, Any]]:
        argv = [sys.executable, "-m", "edgekit.cli.main", "wheel", "build", *words, "--target", target, "--json"]
        done = subprocess.run(
            [*argv, "--out", "out"], capture_output=True, text=True, cwd=self.folder, timeout=1800, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["wheels"]

    def path(self, wheel: dict[str, Any]) -> Path:
        return self.folder / wheel["path"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def settings() -> Settings:
    return settings_from(os.environ, Path(edgekit.__file__).parent)


@pytest.fixture(scope="session")
def python311(settings: Settings) -> DebianPython:
    return debian_python("3.11", settings)


@pytest.fixture(scope="session")
def python39(settings: Settings) -> DebianPython:
    return debian_python("3.9", settings)


def packages(*chosen: Package) -> Any:
    return pytest.mark.parametrize("package", chosen, ids=lambda package: package.requirement)


def build_and_try(package: Package, bench: Bench, python: DebianPython, target: str) -> dict[str, Any]:
    [made] = bench.build(package.requirement, "--no-binary", "--again", target=target)
    assert made["source"] == "cross-built" and not made["from_cache"]
    needed = [bench.path(wheel) for name in package.needs for wheel in bench.build(name, target=target)]
    site = unpack([bench.path(made), *needed], bench.folder / "site")
    done = python.run(site, f"P = {str(bench.folder / 'file')!r}; {package.code}")
    assert done.stdout.strip() == "ok", done.stdout + done.stderr
    return made


@packages(*LIGHT)
def test_it_works_on_debian_12(package: Package, bench: Bench, python311: DebianPython) -> None:
    made = build_and_try(package, bench, python311, "virt-arm64")
    assert "x86_64" not in made["path"] and "linux_aarch64" not in made["path"].replace("manylinux", "")


@pytest.mark.wheels
@packages(*HEAVY)
def test_more_work_on_debian_12(package: Package, bench: Bench, python311: DebianPython) -> None:
    build_and_try(package, bench, python311, "virt-arm64")


@pytest.mark.wheels
def test_minutes_of_work_on_debian_12(bench: Bench, python311: DebianPython) -> None:
    build_and_try(LONG, bench, python311, "virt-arm64")


@pytest.mark.wheels
@packages(*LIGHT, *HEAVY)
def test_it_is_built_for_jetpack_6(package: Package, bench: Bench) -> None:
    [made] = bench.build(package.requirement, "--no-binary", "--again", target="jetson-orin-nano-jp62")
    assert made["built"]["made"]["abi"] == "cp310-aarch64-glibc2.35"


def test_a_library_of_the_board_is_linked_and_stays_there(bench: Bench) -> None:
    """systemd-python asks pkg-config for libsystemd, which every board has: it is not put into the wheel."""
    [made] = bench.build("systemd-python==235", "--no-binary", "--again")
    with zipfile.ZipFile(bench.path(made)) as wheel:
        modules = [read_elf(io.BytesIO(wheel.read(name))) for name in wheel.namelist() if name.endswith(".so")]
    assert any("libsystemd.so.0" in module.needed for module in modules)
    assert made["built"]["made"]["grafted"] == []


@pytest.mark.wheels
@packages(*LIGHT[:2], HEAVY[2])
def test_it_is_built_for_jetpack_7(package: Package, bench: Bench) -> None:
    [made] = bench.build(package.requirement, "--no-binary", "--again", target="jetson-orin-jp72")
    assert made["built"]["made"]["abi"] == "cp312-aarch64-glibc2.39"


@pytest.mark.wheels
@packages(LIGHT[0], HEAVY[2], HEAVY[5])
def test_it_works_on_debian_11(package: Package, bench: Bench, python39: DebianPython) -> None:
    build_and_try(package, bench, python39, "rk3588-debian11")


@pytest.mark.wheels
@pytest.mark.parametrize("target", ["jetson-orin-nano-jp62", "jetson-orin-jp72"])
def test_pycuda_is_built_for_both_cudas(target: str, bench: Bench) -> None:
    [made] = bench.build("pycuda==2026.1", "--no-binary", "--again", target=target)
    assert made["built"]["made"]["compiler"] == "zig 0.14.1"


@pytest.mark.wheels
def test_pycuda_imports_against_a_library_of_names(bench: Bench, python311: DebianPython, settings: Settings) -> None:
    """Boost.Python, its exceptions and every symbol of the driver that pycuda asks for; no GPU takes part."""
    target = target_text("jetson-orin-nano-jp62").replace("jetson-orin-nano-jp62", "orin-debian12")
    target = target.replace('id = "ubuntu"', 'id = "debian"').replace('version = "22.04"', 'version = "12"')
    target = target.replace('"2.35"', '"2.36"').replace('python = "3.10"', 'python = "3.11"').replace("310", "311")
    (bench.folder / "targets").mkdir()
    (bench.folder / "targets/orin-debian12.toml").write_text(target)
    [made] = bench.build("pycuda==2026.1", "--no-binary", "--again", target="orin-debian12")
    needs = ("numpy==2.2.6", "pytools==2025.2.4", "platformdirs", "typing-extensions", "siphash24")
    others = [wheel for name in needs for wheel in bench.build(name, target="orin-debian12")]
    site = unpack([bench.path(wheel) for wheel in (made, *others)], bench.folder / "site")
    preload = bench.folder / "board"
    preload.mkdir()
    roots = sorted(
        (settings.cache_dir / "crossbuild/roots").glob("cuda-*/files/lib"), key=lambda path: path.stat().st_mtime
    )
    shutil.copyfile(
        next(root for root in reversed(roots) if (root / "libcurand.so.10").exists()) / "libcuda.so",
        preload / "libcuda.so.1",
    )
    shutil.copyfile(
        next(root for root in reversed(roots) if (root / "libcurand.so.10").exists()) / "libcurand.so.10",
        preload / "libcurand.so.10",
    )
    done = python311.run(site, "import pycuda.driver as d; print(issubclass(d.LogicError, d.Error))", preload)
    assert done.stdout.strip() == "True", done.stderr
