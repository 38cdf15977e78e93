"""What an expression of the engine's source can come to, where it isn't a plain Python value."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Unknown:
    """Something that only a running engine knows; its source text."""

    text: str


@dataclass(frozen=True)
class External:
    """A name of the standard library, a built-in or another package."""

    name: str

    @property
    def last(self) -> str:
        """Return the name without its module."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class Module:
    """A module of the engine."""

    name: str


@dataclass(frozen=True)
class Class:
    """A class of the engine."""

    module: str
    node: ast.ClassDef


@dataclass(frozen=True)
class Function:
    """A function or lambda of the engine, bound to its class where it is a class method."""

    module: str
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    of: Class | None = None

    @property
    def name(self) -> str:
        """Return the function's name."""
        return getattr(self.node, "name", "<lambda>")


@dataclass(frozen=True)
class Member:
    """A member of an enumeration."""

    owner: str
    name: str
    value: Any


@dataclass(frozen=True)
class Hint:
    """A type as a type hint says it: origin is "Literal", "list", "Union", … and arguments what is in its brackets."""

    origin: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Optional:
    """A converter that lets "" and "None" stand for no value, as vLLM's optional_type() makes it."""

    of: Any


@dataclass(frozen=True)
class Default:
    """A field's default, as dataclasses.field(), pydantic's Field() or msgspec's field() gives it."""

    arguments: tuple[Any, ...]
    named: dict[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Method:
    """A method of a plain value, or of the recorder that stands for the engine's parser."""

    owner: Any
    name: str
