"""Writes the files that uv takes beside requirements: a recipe's rules and indexes, and known metadata.

Nothing of it goes on a command line, where any user of this machine could read it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from edgekit.executor import Completed
from edgekit.host.own_folder import temporary_folder
from edgekit.host.wheel.needs import Rules

_PROJECT = '[project]\nname = "edgekit-asks"\nversion = "0"\nrequires-python = ">=3.8"\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPackage:
    """A package, or one version of it."""

    name: str
    version: str = ""
    """Empty: every version."""
    needs: tuple[str, ...] = ()
    """Its requirements, as its metadata has them."""
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The input of one run of uv."""

    rules: Rules = Rules()
    known: Collection[KnownPackage] = ()
    """Packages whose needs are known, or are taken to be none, so that nobody has to run their code to find out."""
    indexed: Collection[str] = ()
    """Packages to take from the index that the rules name for them."""


@contextlib.contextmanager
def written(question: Question) -> Iterator[tuple[list[str], list[str]]]:
    """Options for `uv pip compile`, and further files of requirements; both while the context lasts."""
    with temporary_folder("edgekit-asks-") as folder:
        options, files = [], []
        config = Path(folder, "uv.toml")
        config.write_text(_config(question), encoding="utf-8")
        options += ["--config-file", str(config)]
        rules = question.rules
        parts = {"constraints": rules.constraints, "overrides": rules.override, "excludes": rules.exclude}
        for option, lines in parts.items():
            if lines:
                file = Path(folder, f"{option}.txt")
                file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
                options += [f"--{option}", str(file)]
        if question.indexed:
            project = Path(folder, "pyproject.toml")
            project.write_text(_project(rules, question.indexed), encoding="utf-8")
            files.append(str(project))
        yield options, files


def _config(question: Question) -> str:
    """uv.toml. Source: uv, Settings: dependency-metadata, index."""
    known = [
        f"{{ name = {json.dumps(package.name)}, "
        + (f"version = {json.dumps(package.version)}, " if package.version else "")
        + f"requires-dist = {json.dumps(package.needs)}, provides-extra = {json.dumps(package.extras)} }}"
        for package in sorted(question.known, key=lambda package: (package.name, package.version))
    ]
    lines = [f"dependency-metadata = [{', '.join(known)}]\n"]
    for index in question.rules.indexes:
        if not index.packages:
            lines.append(f"[[index]]\nname = {json.dumps(index.name)}\nurl = {json.dumps(index.url)}\n")
    return "".join(lines)


def _project(rules: Rules, names: Collection[str]) -> str:
    """A project that needs `names`, each from its index: the one way to bind a package to an index.

    Source: uv, Using indexes: pinning a package to an index.
    """
    text = f"{_PROJECT}dependencies = {json.dumps(sorted(names))}\n[tool.uv.sources]\n"
    text += "".join(
        f"{name} = {{ index = {json.dumps(index.name)} }}\n"
        for index in rules.indexes
        for name in sorted(index.packages & set(names))
    )
    for index in rules.indexes:
        if index.packages:
            text += (
                f"[[tool.uv.index]]\nname = {json.dumps(index.name)}\nurl = {json.dumps(index.url)}\nexplicit = true\n"
            )
    return text


def bound_names(rules: Rules, names: Iterable[str]) -> frozenset[str]:
    """Those names that an index of the rules is to be asked for."""
    bound = {name for index in rules.indexes for name in index.packages}
    return frozenset(bound & set(names))


def met_names(rules: Rules, done: Completed) -> frozenset[str]:
    """Packages bound to an index that an answer, or the reason for none, speaks of."""
    text = (done.stdout if done.returncode == 0 else done.stderr).decode(errors="replace")
    words = re.findall(r'^name = "([^"]+)"$', text, re.M) if done.returncode == 0 else re.findall(r"[\w.-]+", text)
    return bound_names(rules, (canonicalize_name(word) for word in words))
