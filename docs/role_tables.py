"""Write the table of options into each role's README, from its argument_specs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).parent.parent / "roles"
BEGIN, END = "<!-- options -->", "<!-- end of options -->"


def table(role: str) -> str:
    """Return the Markdown table of a role's options."""
    specs = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())
    rows = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    defaults = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text())
    options = specs["argument_specs"]["main"]["options"]
    rows += [row(name, option, defaults.get(name)) for name, option in options.items()]
    return "\n".join(rows)


def row(name: str, option: dict[str, Any], value: Any) -> str:
    """Return an option's line of the table."""
    default = "" if value is None else yaml.safe_dump(value, default_flow_style=True, width=1000)
    default = default.removesuffix("...\n").strip()
    meaning = option["description"]
    if option.get("choices"):
        meaning += " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
    return f"| `{name}` | {option['type']} | {f'`{default}`' if default else 'not given'} | {meaning} |"


def readme(role: str) -> str:
    """Return the role's README with its table as it should be."""
    text = (ROLES / role / "README.md").read_text()
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table(role)}\n{END}{rest.partition(END)[2]}"


def documented() -> list[str]:
    """Return the roles with options."""
    return sorted(path.parent.parent.name for path in ROLES.glob("*/meta/argument_specs.yml"))


if __name__ == "__main__":
    for one in documented():
        (ROLES / one / "README.md").write_text(readme(one))
    sys.exit(0)
