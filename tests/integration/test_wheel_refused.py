"""Packages that must not become a wheel with wrong bits: refused in a sentence whose hint helps, or built right."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from edgekit.host.wheel.check.elf import read_elf
from tests.fakes.wheel_user import User, hint_of, own_checkout, write_package

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
RK3588 = "rk3588-debian12"
PLAIN_SETUP = "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('gate', ['gate.c'])])\n"
HOST_COMPILER = """import subprocess
from setuptools import setup
subprocess.check_call(["make", "-C", "csrc"])
setup(packages=["fast"], package_data={"fast": ["*.so"]})
"""
SWALLOWS = """import os
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
class Quiet(build_ext):
    def run(self):
        streams = os.dup(1), os.dup(2)
        for number in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        try:
            super().run()
        except Exception:
            self.extensions = []
        finally:
            os.dup2(streams[0], 1), os.dup2(streams[1], 2)
setup(ext_modules=[Extension("gate", ["gate.c"])], cmdclass={"build_ext": Quiet})
"""
RUNS_PROGRAM = """import os, subprocess, sys
from setuptools import Extension, setup
if "egg_info" not in sys.argv:
    subprocess.check_call([os.environ["CC"], "generator.c", "-o", "generator"])
    subprocess.check_call(["./generator"])
setup(ext_modules=[Extension("gate", ["gate.c"])])
"""
RUNS_MODULE = """import os, sys
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
class Asking(build_ext):
    def run(self):
        super().run()
        sys.path.insert(0, os.path.dirname(os.path.abspath(self.get_ext_fullpath("gate"))))
        import gate
setup(ext_modules=[Extension("gate", ["gate.c"])], cmdclass={"build_ext": Asking})
"""
BELIEVES = """#if defined(__ARM_FEATURE_SVE) || defined(__ARM_FEATURE_BF16) || defined(__ARM_FEATURE_MATMUL_INT8)
#error no such processor
#endif
"""
SCM = """import os
from setuptools import Extension, setup
version = os.environ.get("SETUPTOOLS_SCM_PRETEND_VERSION")
if version is None:
    raise LookupError("setuptools-scm was unable to detect version for " + os.getcwd())
setup(ext_modules=[Extension("gate", ["gate.c"])])
"""


class Packager(User):
    """A user with a checkout of edgekit: rules for packages can be added to it."""

    def __init__(self, home: Path) -> None:
        super().__init__(own_checkout(home))

    def package(self, setup_py: str = PLAIN_SETUP, *, code: str = "", **files: str) -> None:
        folder = write_package(self.home / "gate", code=code)
        (folder / "setup.py").write_text(setup_py)
        for name, text in files.items():
            (folder / name).write_text(text)

    def rule(self, text: str) -> None:
        (self.home / "cross/packages/gate.toml").write_text(f'[[rules]]\nreason = "a test"\n{text}\n')

    def error(self) -> tuple[str, str]:
        """Message and hint of a refused build."""
        said = self.refused("./gate", target=RK3588)
        assert not list((self.home / "out").glob("*.whl"))
        return next(line for line in said.splitlines() if line.startswith("error: ")), hint_of(said)

    def modules(self) -> dict[str, bytes]:
        [made] = self.build("./gate", target=RK3588)
        with zipfile.ZipFile(self.home / made["path"]) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist() if ".so" in name}


@pytest.fixture
def user(tmp_path: Path) -> Packager:
    return Packager(tmp_path / "home")


def test_a_makefile_that_names_this_machines_compiler(user: Packager) -> None:
    """By its path no PATH keeps a build from it; what it made is found, and written anew as the hint says it builds."""
    user.package(HOST_COMPILER)
    for folder in ("csrc", "fast"):
        (user.home / "gate" / folder).mkdir()
    (user.home / "gate/fast/__init__.py").touch()
    (user.home / "gate/csrc/fast.c").write_text("int fast(void) { return 1; }\n")
    makefile = "CC = {}\nall:\n\t$(CC) -shared -fPIC fast.c -o ../fast/libfast.so\n"
    (user.home / "gate/csrc/Makefile").write_text(makefile.format("/usr/bin/gcc"))
    if Path("/usr/bin/gcc").exists():
        error, hint = user.error()
        assert "fast/libfast.so is for x86_64" in error and "/usr/bin/gcc, a compiler of this machine" in error
        assert "`files` in cross/packages/gate.toml" in hint
    own = makefile.format("cc")
    user.rule(f"[rules.files]\n\"csrc/Makefile\" = '''\n{own}'''")
    [content] = user.modules().values()
    assert read_elf(io.BytesIO(content)).machine == "aarch64"


def test_a_compilers_error_that_a_package_swallows(user: Packager) -> None:
    user.package(SWALLOWS, code="#include <nothere.h>")
    error, hint = user.error()
    assert "came out without its compiled part" in error and "gate.c:4:10: fatal error: 'nothere.h' file" in error
    log = Path(hint.split("see ")[1].split(";")[0])
    assert "'nothere.h' file not found" in log.read_text()


def test_instructions_that_the_boards_cores_lack_are_left_out(user: Packager) -> None:
    flags = "'-O3', '-march=armv8.6-a+sve2+bf16+i8mm'"
    user.package(PLAIN_SETUP.replace("['gate.c']", f"['gate.c'], extra_compile_args=[{flags}]"), code=BELIEVES)
    done = user.run("./gate", target=RK3588)
    assert done.returncode == 0, "it may believe in nothing that the board lacks"
    assert "gate 0: compiled without -march=armv8.6-a+sve2+bf16+i8mm" in done.stderr and "Cortex-A55" in done.stderr


def test_folders_of_this_machine_in_two_words_are_left_out(user: Packager) -> None:
    flags = "'-I', '/usr/include', '-isystem', '/usr/include/x86_64-linux-gnu'"
    user.package(PLAIN_SETUP.replace("['gate.c']", f"['gate.c'], extra_compile_args=[{flags}]"))
    [module] = user.modules()
    assert module == "gate.cpython-311-aarch64-linux-gnu.so"


def test_intrinsics_of_x86_are_named(user: Packager) -> None:
    user.package(code="#include <immintrin.h>")
    error, _ = user.error()
    assert "it is written for x86" in error and "too many errors" not in error


def test_a_missing_library_names_its_package_and_the_rule_file(user: Packager) -> None:
    """What the hint says to name makes it build; the library goes into the wheel, as boards lack it."""
    setup_py = PLAIN_SETUP.replace("['gate.c']", "['gate.c'], libraries=['usb-1.0']")
    user.package(setup_py, code="int libusb_init(void **);\nint use(void) { return libusb_init(0); }")
    error, hint = user.error()
    assert '"usb-1.0"' in error and "libusb-1.0-0-dev" in hint and "cross/packages/gate.toml" in hint
    user.rule('sysroot = ["libusb-1.0-0-dev"]')
    assert any(name.startswith("gate.libs/libusb-1") for name in user.modules())


@pytest.mark.parametrize(
    ("setup_py", "ran"), [(RUNS_PROGRAM, "./generator"), (RUNS_MODULE, "gate")], ids=["program", "module"]
)
def test_a_build_that_runs_what_it_has_just_compiled(setup_py: str, ran: str, user: Packager) -> None:
    user.package(setup_py, **{"generator.c": "int main(void) { return 0; }\n"})
    error, hint = user.error()
    assert f"it runs {ran}, which it has just compiled for the board" in error
    assert "`files` in cross/packages/gate.toml" in hint
    user.rule(f"[rules.files]\n\"setup.py\" = '''\n{PLAIN_SETUP}'''")
    assert user.modules()


def test_a_version_that_comes_from_git(user: Packager) -> None:
    user.package(SCM)
    error, hint = user.error()
    assert "takes its version from git" in error
    user.rule(hint.split("write ")[1].split(" below")[0])
    assert user.modules()
