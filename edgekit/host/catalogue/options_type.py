"""Makes the type of a stage's options out of its source, so that options can be read before its code ever runs.

Understood is what recipe.toml can say: text, numbers, truth values, `Literal`, `tuple[X, ...]`, `list[X]`,
`dict[str, X]`, `X | None`, `Between` and `Length` in `Annotated`, and dataclasses of the same module. Anything else
stays open.
"""

from __future__ import annotations

import ast
import dataclasses
import operator
from typing import Annotated, Any, Literal, Union

from edgekit.schema.bounds import Between, Length

_PLAIN: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "Any": Any}
_BOUNDS = {"Between": Between, "Length": Length}
_MAX_DEPTH = 8


class _NotUnderstood(Exception):
    """Source that only running it can tell."""


class OptionsReader:
    """Reads the dataclasses of one module."""

    def __init__(self, tree: ast.Module) -> None:
        self._classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}

    def of_stage(self, stage: ast.ClassDef) -> type | None:
        """The dataclass that a stage's class names in `Options`; None where it names none or one from elsewhere."""
        try:
            options = self._named_options(stage, 0)
            return None if options is None else self._dataclass(options, 0)
        except _NotUnderstood:
            return None

    def _named_options(self, stage: ast.ClassDef, depth: int) -> ast.ClassDef | None:
        for node in stage.body:
            match node:
                case ast.ClassDef(name="Options"):
                    return node
                case (
                    ast.Assign(targets=[ast.Name(id="Options")], value=value)
                    | ast.AnnAssign(target=ast.Name(id="Options"), value=value)
                ):
                    return self._class_of(value)
        bases = [
            self._classes[base.id] for base in stage.bases if isinstance(base, ast.Name) and base.id in self._classes
        ]
        found = [self._named_options(base, depth + 1) for base in bases if depth < _MAX_DEPTH]
        return next((one for one in found if one is not None), None)

    def _class_of(self, value: ast.expr | None) -> ast.ClassDef:
        if isinstance(value, ast.Name) and value.id in self._classes:
            return self._classes[value.id]
        raise _NotUnderstood

    def _dataclass(self, node: ast.ClassDef, depth: int) -> type:
        if depth > _MAX_DEPTH or not any(map(_is_dataclass, node.decorator_list)):
            raise _NotUnderstood
        fields: dict[str, tuple[str, Any, Any]] = {}
        for base in node.bases:
            fields |= {
                one.name: _plain(one) for one in dataclasses.fields(self._dataclass(self._class_of(base), depth + 1))
            }
        for line in node.body:
            match line:
                case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                    if not _is_class_variable(annotation):
                        fields[name] = (name, self._type(annotation, depth), _default(value))
        return dataclasses.make_dataclass(node.name, fields.values(), kw_only=True)

    def _type(self, node: ast.expr, depth: int) -> Any:
        try:
            return self._known_type(node, depth)
        except (_NotUnderstood, TypeError, ValueError, SyntaxError):
            return Any

    def _known_type(self, node: ast.expr, depth: int) -> Any:
        match node:
            case ast.Constant(value=None):
                return type(None)
            case ast.Constant(value=str() as text):
                return self._known_type(ast.parse(text, mode="eval").body, depth)
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in _PLAIN:
                return _PLAIN[name]
            case ast.Name(id=name) if name in self._classes:
                return self._dataclass(self._classes[name], depth + 1)
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return Union[self._known_type(left, depth), self._known_type(right, depth)]  # noqa: UP007
            case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
                return self._generic(name, inner.elts if isinstance(inner, ast.Tuple) else [inner], depth)
        raise _NotUnderstood

    def _generic(self, name: str, inner: list[ast.expr], depth: int) -> Any:
        match name, inner:
            case "tuple" | "list", [first, *_]:
                return tuple[self._known_type(first, depth), ...]  # type: ignore[misc]
            case "dict", [_, value]:
                return dict[str, self._known_type(value, depth)]  # type: ignore[misc]
            case "Optional", [value]:
                return Union[self._known_type(value, depth), None]  # noqa: UP007
            case "Literal", _:
                return Literal[tuple(ast.literal_eval(one) for one in inner)]
            case "Annotated", [value, *bounds]:
                parts = (self._known_type(value, depth), *map(_bound, bounds))
                return operator.getitem(Annotated, parts)  # type: ignore[call-overload, unused-ignore]
        raise _NotUnderstood


def _bound(node: ast.expr) -> Any:
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args, keywords=keywords) if (
            name in _BOUNDS
        ):
            named = {word.arg or "": ast.literal_eval(word.value) for word in keywords}
            return _BOUNDS[name](*map(ast.literal_eval, args), **named)
    raise _NotUnderstood


def _is_dataclass(node: ast.expr) -> bool:
    made = node.func if isinstance(node, ast.Call) else node
    return (
        made.attr if isinstance(made, ast.Attribute) else made.id if isinstance(made, ast.Name) else ""
    ) == "dataclass"


def _is_class_variable(node: ast.expr) -> bool:
    return "ClassVar" in ast.unparse(node)


def _default(value: ast.expr | None) -> Any:
    """A field with a default where it has one; which does not matter here."""
    if value is None:
        return dataclasses.field()
    if isinstance(value, ast.Call) and ast.unparse(value.func) in ("field", "dataclasses.field"):
        given = {word.arg for word in value.keywords}
        return dataclasses.field(default=None) if given & {"default", "default_factory"} else dataclasses.field()
    return dataclasses.field(default=None)


def _plain(one: dataclasses.Field[Any]) -> tuple[str, Any, Any]:
    required = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
    return (one.name, one.type, dataclasses.field() if required else dataclasses.field(default=None))
