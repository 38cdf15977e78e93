"""A systemd unit → what it launches. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from glmprov.errors import RecipeError
from glmprov.recipe.command import Pasted
from glmprov.recipe.pasted.script import from_script

_OURS = re.compile(
    r"Type|Restart\w*|Timeout\w+Sec|Kill\w+|SendSIGKILL|Standard\w+|SyslogIdentifier|RemainAfterExit|NotifyAccess"
    r"|OOM\w+|Limit\w+|Slice|CPU\w+|NUMA\w+|Private\w+|Protect\w+|NoNewPrivileges"
)
"""What a unit says of the service and not of the engine: deploy writes its own."""


def from_unit(text: str, place: str) -> Pasted:
    """Return what ExecStart launches, with the unit's environment. Raise RecipeError if there is no such line."""
    notes: list[str] = []
    environment: list[str] = []
    command = ""
    for key, value in _service(text):
        match key:
            case "ExecStart":
                command = value.lstrip("-@:+!|")
            case "Environment":
                environment += shlex.split(value)
            case _ if not _OURS.fullmatch(key):
                notes.append(f"left out: {key}={value}")
    if not command:
        raise RecipeError("no ExecStart in [Service]", place=place, next_step="paste the whole unit")
    notes += [
        f"to do: {each} is systemd's, write its value"
        for each in set(re.findall(r"(?<!%)%[A-Za-z]", command))
    ]
    exports = "".join(f"export {shlex.quote(each)}\n" for each in environment)
    pasted = from_script(f"{exports}{command.replace('%%', '%').replace('$$', '$')}\n", place)
    return Pasted(pasted.launch, (*notes, *pasted.notes))


def _service(text: str) -> Iterator[tuple[str, str]]:
    """Yield the settings of [Service], lines that go on joined."""
    inside = False
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*[#;].*\n", "", text, flags=re.MULTILINE))
    for line in joined.splitlines():
        if line.strip().startswith("["):
            inside = line.strip() == "[Service]"
        elif inside and "=" in line:
            key, _, value = line.partition("=")
            yield key.strip(), value.strip()
