"""What is wrong with a requirement, or with an index's address, as a user writes it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

_INDEX_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FORMS = (
    (r"-e\b|--editable\b", "an editable package cannot travel to a board; write ./FOLDER instead"),
    (r"(-r|--requirement)(?![\s=]+\S)", "name the file: -r requirements.txt"),
    (r"-c\b|--constraint\b", "write the lines of that file in python.constraints"),
    (r"--(extra-)?index(-url)?\b|-i\b", "declare the index under [python.indexes.NAME]"),
    (r"--find-links\b|-f\b", "set UV_FIND_LINKS, or write ./FILE.whl"),
    (r"-", "options of pip are not read here; write NAME==VERSION"),
    (
        r"(\S+\s*@\s*)?(git|hg|svn|bzr)\+",
        "clone it beside recipe.toml and write ./FOLDER, so that a build is the same tomorrow",
    ),
)
"""What pip and uv read in a file of requirements, and what to write instead."""


DIRECT = re.compile(
    r"(?:(?P<name>[A-Za-z0-9][\w.-]*)\s*)??(?P<extras>\[[^\]]*\])?\s*@?\s*"
    r"(?P<place>(?:\.{1,2}/|/|file:|https?://)[^\s;]*)\s*(?:;(?P<marker>.*))?"
)
"""A requirement that is a file: `./gate`, `gate[fast] @ ./gate-1.0.whl ; MARKER`, `https://.../gate-1.0.whl#sha256=...`."""


def names_file(text: str) -> bool:
    """Whether a requirement is a file, or a list of requirements."""
    return text.strip().startswith("-") or DIRECT.fullmatch(text.strip()) is not None


def requirement_fault(text: str) -> str:
    """What is wrong with a requirement, and what to write; nothing if it can be used."""
    for form, instead in _FORMS:
        if re.match(form, text.strip()):
            return f"{text!r}: {instead}"
    if text.strip().startswith("-"):
        return ""  # a list of requirements
    if direct := DIRECT.fullmatch(text.strip()):
        secret = "@" in urlsplit(direct["place"]).netloc
        return "an address holds a user's name or password; give them in ~/.netrc instead" if secret else ""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return f'expected a requirement such as "scipy>=1.14", found {text!r}'
    if requirement.url:
        return f'expected a name and version, such as "{requirement.name}>=1.0", found a URL'
    for spec in requirement.specifier:
        try:
            Version(spec.version.removesuffix(".*"))
        except InvalidVersion:
            return f'{text!r}: {spec.version} is no version; write "{requirement.name}==1.0"'
    return ""


def index_faults(name: str, url: str, packages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Where in an index's declaration something is wrong, as the end of its key, and what."""
    if not _INDEX_NAME.fullmatch(name):
        yield "", "expected a name of letters, digits, '-' and '_'"
    parts = urlsplit(url)
    if "@" in parts.netloc:
        variable = f"UV_INDEX_{variable_name(name)}"
        yield ".url", f"holds a user's name or password; set {variable}_USERNAME and {variable}_PASSWORD instead"
    elif parts.scheme not in ("http", "https", "file") or not (parts.netloc or parts.scheme == "file"):
        yield ".url", 'expected an address such as "https://index.example/simple"'
    for number, package in enumerate(packages):
        try:
            canonicalize_name(package, validate=True)
        except InvalidName:
            yield f".packages[{number}]", f'expected a package\'s name such as "torch", found {package!r}'


def variable_name(index: str) -> str:
    """An index's name as uv puts it into names of variables. Source: uv, Using indexes: Authentication."""
    return re.sub(r"[^A-Za-z0-9]", "_", index).upper()
