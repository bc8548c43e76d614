"""A user who builds wheels by `edgekit wheel build`, and small packages of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SHARED = ("compilers", "libraries", "roots", "archive-answers", "sources")
"""Folders of the user's cache that tests share: what is in them takes long to fetch."""
C_MODULE = """
#define PY_SSIZE_T_CLEAN
#include <Python.h>
%s
static PyObject *two(PyObject *self, PyObject *none) { return PyLong_FromLong(2); }
static PyMethodDef methods[] = {{"two", two, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "gate", NULL, -1, methods};
PyMODINIT_FUNC PyInit_gate(void) { return PyModule_Create(&module); }
"""
SETUP = "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('gate', ['gate.c']%s)])\n"
PROJECT = '[project]\nname = "gate"\nversion = "1.0"\n[build-system]\nrequires = ["setuptools"]\nbuild-backend = "%s"\n'


def write_package(folder: Path, *, code: str = "", setup: str = "", backend: str = "setuptools.build_meta") -> Path:
    """A package of one's own with one C file."""
    folder.mkdir(parents=True)
    (folder / "gate.c").write_text(C_MODULE % code)
    (folder / "setup.py").write_text(SETUP % setup)
    (folder / "pyproject.toml").write_text(PROJECT % backend)
    return folder


class User:
    """A user with a cache of their own; compilers and packages of the shared cache are linked into it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.cache = home / "cache" / "edgekit"
        shared = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgekit" / "crossbuild"
        (self.cache / "crossbuild").mkdir(parents=True)
        for name in SHARED:
            (shared / name).mkdir(parents=True, exist_ok=True)
            (self.cache / "crossbuild" / name).symlink_to(shared / name)

    def environment(self, **variables: str) -> dict[str, str]:
        return {**os.environ, "XDG_CACHE_HOME": str(self.cache.parent), "UV_CACHE_DIR": uv_cache(), **variables}

    def run(self, *words: str, target: str = "virt-arm64", **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.argv(*words, target=target),
            capture_output=True,
            text=True,
            cwd=self.home,
            env=self.environment(**variables),
            timeout=600,
            check=False,
        )
        assert done.returncode != 1, done.stderr
        return done

    def argv(self, *words: str, target: str = "virt-arm64") -> list[str]:
        return [sys.executable, "-m", "edgekit.cli.main", "wheel", "build", *words, "--target", target, "--out", "out"]

    def build(self, *words: str, target: str = "virt-arm64", **variables: str) -> list[dict[str, Any]]:
        done = self.run(*words, "--json", target=target, **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["wheels"]

    def refused(self, *words: str, target: str = "virt-arm64", **variables: str) -> str:
        done = self.run(*words, target=target, **variables)
        assert done.returncode == 4, done.stderr
        return done.stderr


def hint_of(said: str) -> str:
    """The line of an error that says what to do."""
    return next(line for line in said.splitlines() if line.startswith("hint: "))


def uv_cache() -> str:
    import uv

    return subprocess.run([uv.find_uv_bin(), "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()


def own_checkout(home: Path) -> Path:
    """A checkout of edgekit whose `cross` a test may change; commands that run in it take it for theirs."""
    home.mkdir(parents=True, exist_ok=True)
    for name in ("edgekit", "targets", "recipes"):
        (home / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "cross", home / "cross")
    return home
