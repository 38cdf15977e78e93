"""Attributes of what the engine's source names: of modules, classes and members of enumerations."""

from __future__ import annotations

import ast
from typing import Any

from .names import Names
from .values import Class, Default, External, Function, Hint, Member, Method, Module, Unknown

ENUMS = ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag")


class UnresolvedError(Exception):
    """The source alone doesn't say."""


class Classes(Names):
    """Classes and what they inherit, as far as it is in the package."""

    def attribute(self, owner: Any, name: str) -> Any:
        """Return an attribute of a value."""
        match owner:
            case Module():
                return self.named(owner.name, name)
            case External():
                return External(f"{owner.name}.{name}")
            case Class():
                return self._class_attribute(owner, name)
            case Member():
                return {"name": owner.name, "value": owner.value}[name]
            case Unknown() | Hint() | Default():
                raise UnresolvedError
            case _:
                return Method(owner, name)

    def _class_attribute(self, owner: Class, name: str) -> Any:
        for cls in self.lineage(owner):
            for statement in cls.node.body:
                match statement:
                    case ast.FunctionDef() | ast.AsyncFunctionDef() if statement.name == name:
                        by_class = any(ast.unparse(d) == "classmethod" for d in statement.decorator_list)
                        return Function(cls.module, statement, owner if by_class else None)
                    case ast.Assign(targets=[ast.Name(id=n)], value=value) if n == name:
                        found = self.value(value, cls.module, self._own_names(cls))
                        return Member(cls.node.name, name, found) if self.is_enum(cls) else found
                    case ast.AnnAssign(target=ast.Name(id=n), value=ast.expr() as value) if n == name:
                        return self.value(value, cls.module)
                    case _:
                        pass
        raise UnresolvedError

    def _own_names(self, cls: Class) -> dict[str, Any]:
        """Return the plain constants of a class body, which later lines of it may name."""
        return {
            s.targets[0].id: s.value.value
            for s in cls.node.body
            if isinstance(s, ast.Assign)
            and isinstance(s.targets[0], ast.Name)
            and isinstance(s.value, ast.Constant)
        }

    def lineage(self, cls: Class) -> list[Class]:
        """Return a class and those of its bases that are in the package, nearest first."""
        found = [cls]
        for base in cls.node.bases:
            value = self.value(base, cls.module)
            if isinstance(value, Class):
                found += [c for c in self.lineage(value) if c not in found]
        return found

    def bases(self, cls: Class) -> set[str]:
        """Return the last names of all bases, those of other packages too."""
        return {
            ast.unparse(base).rpartition(".")[2] for each in self.lineage(cls) for base in each.node.bases
        }

    def is_enum(self, cls: Class) -> bool:
        """Say whether a class is an enumeration."""
        return bool(self.bases(cls) & set(ENUMS)) or any(k.arg == "metaclass" for k in cls.node.keywords)

    def members(self, cls: Class) -> list[Member]:
        """Return an enumeration's members in order."""
        return [
            Member(cls.node.name, s.targets[0].id, self.value(s.value, cls.module))
            for s in cls.node.body
            if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name) and s.targets[0].id[0] != "_"
        ]
