"""edgekit of another day: copies of the package whose exchanged dataclasses have a field more or lack one.

A copy is run with its folder in PYTHONPATH; it shares nothing with the package that is tested but its text.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import edgekit

PACKAGE = Path(edgekit.__file__).parent
NEWER = "added_later"
"""The field that a newer copy has in every table."""
_DEFAULT_LEFT_OUT = "has_default = not required and not is_tag"
_STATE = "device/keeper/update/activation.py"


def newer_copy(folder: Path, must_understand: Collection[str] = ()) -> Path:
    """A copy in which every exchanged table has one field more, always sent.

    Args:
        folder: where it goes.
        must_understand: classes in which older readers must not ignore it; the others then have no field more.

    Returns:
        The folder for PYTHONPATH.
    """
    package = _copy(folder)
    changed = set()
    for file in _exchanged(package):
        tree = ast.parse(file.read_text())
        for cls in tree.body:
            if isinstance(cls, ast.ClassDef) and _has_fields_by_name(cls):
                if must_understand and cls.name not in must_understand:
                    continue
                how = "metadata={'must_understand': True}, " if must_understand else ""
                field = f"{NEWER}: str = __import__('dataclasses').field({how}default='of another day')"
                cls.body += ast.parse(field).body
                changed.add(cls.name)
        if f"{NEWER}:" in (text := ast.unparse(tree)):
            file.write_text(text)
    assert changed >= set(must_understand) and changed
    message = package / "schema/message.py"
    text = message.read_text()
    assert _DEFAULT_LEFT_OUT in text
    message.write_text(text.replace(_DEFAULT_LEFT_OUT, f'{_DEFAULT_LEFT_OUT} and name != "{NEWER}"'))
    return folder


def older_copy(folder: Path, lacks: Mapping[str, str]) -> Path:
    """A copy whose classes lack one field each, `class -> field`: it is neither read nor sent.

    Whoever asks an object for it gets its default, as code would that never heard of it.

    Returns:
        The folder for PYTHONPATH.
    """
    package = _copy(folder)
    found = set()
    for file in sorted(package.rglob("*.py")):
        text = file.read_text()
        if not any(field in text for field in lacks.values()):
            continue
        tree = ast.parse(text)
        for cls in ast.walk(tree):
            if isinstance(cls, ast.ClassDef) and cls.name in lacks and file in _exchanged(package):
                found |= {cls.name for at, line in enumerate(cls.body) if _forget(cls, at, line, lacks[cls.name])}
        file.write_text(ast.unparse(ast.fix_missing_locations(_Unsaid(lacks).visit(tree))))
    assert found == set(lacks), f"without such a field: {set(lacks) - found}"
    return folder


def _copy(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for data in ("targets", "recipes", "cross"):
        (folder / data).symlink_to(PACKAGE.parent / data)
    ignored = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(PACKAGE, folder / "edgekit", ignore=ignored))


def _exchanged(package: Path) -> list[Path]:
    return [*sorted((package / "schema").glob("*.py")), package / _STATE]


def _has_fields_by_name(cls: ast.ClassDef) -> bool:
    return any("dataclass" in (text := ast.unparse(one)) and "kw_only=True" in text for one in cls.decorator_list)


def _forget(cls: ast.ClassDef, at: int, line: ast.stmt, field: str) -> bool:
    """Make a field with a default a plain attribute of the class."""
    if not (isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.target.id == field):
        return False
    assert line.value is not None, f"{cls.name}.{field} has no default: no older side can lack it"
    value = line.value
    if isinstance(value, ast.Call):
        named = {keyword.arg: keyword.value for keyword in value.keywords}
        value = named.get("default") or ast.Call(func=named["default_factory"], args=[], keywords=[])
    cls.body[at] = ast.Assign(targets=[ast.Name(id=field, ctx=ast.Store())], value=value)
    return True


class _Unsaid(ast.NodeTransformer):
    """Takes the fields out of calls that make or change such objects."""

    def __init__(self, lacks: Mapping[str, str]) -> None:
        self._lacks = lacks

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """A call of the class, of `replace`, or of what makes a request of its keywords."""
        self.generic_visit(node)
        name = ast.unparse(node.func).rpartition(".")[2]
        fields = self._lacks.values() if name in ("replace", "ask", "send") else [self._lacks.get(name, "")]
        node.keywords = [keyword for keyword in node.keywords if keyword.arg not in fields]
        return node
