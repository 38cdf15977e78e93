"""What hosts would get of a recipe: files and argv, word for word."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from glmprov.errors import ExitCode
from glmprov.instance import Instance, argv, key_texts_of, texts_of
from glmprov.report.json import document, error_of
from glmprov.results.deploy import HostDeploy
from glmprov.state.data import data


def rendered(results: Sequence[HostDeploy]) -> Iterator[str]:
    """Yield each host's unit, environment and argv, each below a comment that says where it goes."""
    for each in results:
        if each.instance is None:
            continue
        for path, text in files(each.instance).items():
            yield f"# {each.host}: {path}\n{text}"
        yield f"# {each.host}: what the unit starts\n{shlex.join(argv(each.instance))}\n"


def files(instance: Instance) -> dict[str, str]:
    """Return the instance's files by path. In those that only root reads, {key} stands for the key."""
    return texts_of(instance) | (key_texts_of(instance) or {})


def remarks(results: Sequence[HostDeploy]) -> Iterator[str]:
    """Yield what isn't known yet of what was rendered, and why deploy would refuse it."""
    for each in results:
        image = each.instance.image if each.instance else None
        if image is not None and image.environment is None:
            yield (
                f"{each.host}: the image isn't there yet: a variable of the host's profile that the image sets "
                "itself is left to it at the deploy"
            )
        if each.error is not None:
            verb = "deploy would refuse it" if each.instance else "not rendered"
            yield f"{each.host}: {verb}: {each.error.message}"
            if each.error.next_step:
                yield f"next: {each.error.next_step}"


def rendered_hosts_json(results: Sequence[HostDeploy], code: ExitCode) -> str:
    """Return the same as a document, with who set each variable."""
    return document("rendered-hosts", code, [_host(each) for each in results])


def _host(each: HostDeploy) -> dict[str, Any]:
    instance = each.instance
    return {
        "host": each.host,
        "name": each.name,
        "recipe": instance and instance.recipe,
        "files": files(instance) if instance else {},
        "argv": list(argv(instance)) if instance else [],
        "environment": data(instance.environment) if instance else {},
        "notes": list(each.notes),
        "error": error_of(each.error),
    }
