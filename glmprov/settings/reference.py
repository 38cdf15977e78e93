"""The settings as a page of the reference."""

from __future__ import annotations

from glmprov.settings import instances
from glmprov.settings.models import MODELS, VARIABLES, words
from glmprov.settings.sets import MEANING, SETS, WANTS


def table() -> str:
    """Return every setting as Markdown: the text of docs/settings.md."""
    rows = [
        "# Settings\n",
        "Made from `glmprov/settings/`. What may be written about a host in the inventory, in group_vars",
        "or in host_vars. What isn't written is decided by the plan. In a mapping, a key that is written",
        "wins over the plan's; a key with an empty value (`null`) isn't set by us. What we set before goes",
        "again when neither says it any more; `manage` leaves a key as it is. Every other option of our roles",
        "is decided by the plan and ignored here, with a note in the plan.\n",
        "| variable | wants | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for name, (section, option) in VARIABLES.items():
        said, meaning = words(section, option), MODELS[section].model_fields[option].description
        rows.append(f"| `{name}` | {said['wants']} | {said['default']} | {meaning} |")
    rows.append(f"| `{SETS}` | {WANTS} | none | {MEANING} |")
    rows += [
        f"| `{instances.MODEL_ROOT}` | a folder | /var/lib/glmprov/models | {instances.MODEL_ROOT_MEANING} |",
        f"| `{instances.INSTANCES}` | {instances.WANTS} | none | {instances.MEANING} |",
        "",
        f"## An instance in `{instances.INSTANCES}`\n",
        "| setting | meaning |",
        "| --- | --- |",
        *(f"| `{name}` | {meaning} |" for name, meaning in instances.meanings().items()),
    ]
    return "\n".join(rows) + "\n"
