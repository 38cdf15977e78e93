"""Model hubs, asked from a host or from here: a model's revision, and its files with their sums."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from glmprov.errors import FetchError, GlmprovError, HubDownError
from glmprov.operate.asking import Fault, ask
from glmprov.recipe.lock import FileLock, ModelLock, wanted_files
from glmprov.remote import Channel
from glmprov.secret import Secret

PUBLIC_HUB = "https://huggingface.co"
NEWEST = "main"
ASK_SECONDS = 300.0

FAULTS = {
    "hub-down": (
        "the hub can't be asked: {said}",
        "see whether the host reaches it; another hub: --hub URL, or HF_ENDPOINT",
    ),
    "denied": (
        "the hub has no {model}, or doesn't show it to us: {said}",
        "check the model's id; if it is gated, accept its terms and set HF_TOKEN",
    ),
    "not-there": (
        "the hub has no such revision or file of {model}: {said}",
        "check the recipe's revision; or lock the newest one anew",
    ),
}
"""What goes wrong with a hub, by the payload's word for it: message, next step."""


def endpoint(said: str | None, environ: Mapping[str, str]) -> str:
    """Return the hub's address: what was said, else HF_ENDPOINT, else the public one."""
    return (said or environ.get("HF_ENDPOINT") or PUBLIC_HUB).rstrip("/")


def token(environ: Mapping[str, str] = os.environ) -> Secret | None:
    """Return HF_TOKEN, None if there is none."""
    said = environ.get("HF_TOKEN")
    return Secret(said) if said else None


def listing(
    channel: Channel, host: str, hub: str, model: str, revision: str | None, key: Secret | None = None
) -> ModelLock:
    """Return what a revision of a model holds, as the host sees the hub. revision None: the newest.

    Raise FetchError if the hub is out of reach, or has no such model or revision for us.
    """
    orders = {
        "endpoint": hub, "model": model, "revision": revision or NEWEST, "token": key.reveal() if key else "",
    }  # fmt: skip
    said = ask(
        channel, host, ("fetching", "hub"), "listing", orders,
        deadline_seconds=ASK_SECONDS, explain=partial(explain, model=model), become=False,
    )  # fmt: skip
    return _locked(model, revision, said)


def _locked(model: str, revision: str | None, said: Mapping[str, Any]) -> ModelLock:
    files = wanted_files(FileLock(**each) for each in said["files"])
    return ModelLock(model, said["revision"], files, revision)


def explain(fault: Fault, host: str, model: str) -> GlmprovError:
    """Return what a hub's refusal means."""
    message, next_step = FAULTS.get(fault.kind, ("{said}", None))
    kind = HubDownError if fault.kind == "hub-down" else FetchError
    return kind(message.format(said=fault.text, model=model), host=host, place=model, next_step=next_step)
