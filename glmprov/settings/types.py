"""Types of settings: what an ini file or YAML holds → what is meant, never silently."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field


def _text(value: Any) -> Any:
    """Return a whole number as text.

    True, false and 580.10 have lost how they were written, and stay to be refused.
    """
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _switch(value: Any) -> Any:
    """Return a switch as text: modules and sysctl know 1 and 0."""
    return str(int(value)) if isinstance(value, bool) else _text(value)


def _number(value: Any) -> Any:
    """Return the number that text from an ini file means; leave what is none for the type to refuse."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"\s*\d+\s*", value) else value


def _arguments(value: Any) -> Any:
    """Return a kernel command line as a mapping; a flag without a value is ""."""
    if not isinstance(value, str):
        return value
    return {name: text for name, _, text in (word.partition("=") for word in shlex.split(value))}


def _dotted(value: Any, prefix: str = "") -> Any:
    """Return a nested mapping by dotted path, as daemon.json is compared. Lists are values; {} has nothing to merge."""
    if not isinstance(value, Mapping):
        return value
    flat: dict[str, Any] = {}
    for key, item in value.items():
        path = f"{prefix}{key}"
        flat |= _dotted(item, f"{path}.") if isinstance(item, Mapping) else {path: item}
    return flat


def _no_level_number(env: dict[str, str | None]) -> dict[str, str | None]:
    """Refuse numbers as levels: NCCL maps 0-5 to LOC, PIX, PXB, PHB, SYS, SYS, not as tables on the web say.

    Source: NVIDIA/nccl, src/graph/paths.cc, levelsOldToNew.
    """
    names = ("LOC", "PIX", "PXB", "PHB", "SYS", "SYS")
    for name, value in env.items():
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            raise ValueError(f"{name!r} is no name of a variable")
        if value is not None and "\n" in value:
            raise ValueError(f"{name} has more than one line")
        if name.endswith("_LEVEL") and value is not None and value.isdigit():
            level = names[min(int(value), len(names) - 1)]
            raise ValueError(f"{name} wants a level by name: NCCL takes {value} as {level}")
    return env


def _word(value: Any) -> Any:
    """Return the word "off" that YAML reads as false."""
    return "off" if value is False else value


Text = Annotated[str, BeforeValidator(_text)]
Switch = Annotated[str, BeforeValidator(_switch)]
P2p = Annotated[Literal["off", "auto", "forced"], BeforeValidator(_word)]
Watts = Annotated[int, BeforeValidator(_number), Field(gt=0, strict=True)]
Branch = Annotated[str, BeforeValidator(_text), Field(pattern=r"^\d{3}$")]
Version = Annotated[str, Field(pattern=r"^\d{3}(\.\d+){1,2}$")]
Url = Annotated[str, Field(pattern=r"^(https?|file)://")]
Fingerprint = Annotated[
    str,
    BeforeValidator(lambda value: value.replace(" ", "") if isinstance(value, str) else value),
    Field(pattern=r"^[0-9A-Fa-f]{40}$"),
]
CardUuid = Annotated[str, Field(pattern=r"^GPU-[0-9a-fA-F-]{36}$")]
Bus = Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$")]
KernelArguments = Annotated[
    dict[str, Annotated[str, BeforeValidator(_text)] | None], BeforeValidator(_arguments)
]
SysctlName = Annotated[str, Field(pattern=r"^[a-z0-9_-]+([./][A-Za-z0-9_-]+)+$")]
ModuleOption = Annotated[str, Field(pattern=r"^nvidia\w*\.\w+$")]
Daemon = Annotated[dict[str, Any], BeforeValidator(_dotted)]
Environment = Annotated[dict[str, Text | None], AfterValidator(_no_level_number)]
