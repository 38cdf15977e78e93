"""What `deploy` and `rollback` are told, and the orders that come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from glmprov.cli.again import again
from glmprov.cli.options import stack

if TYPE_CHECKING:
    from glmprov.actions.deploy import DeployOrders
    from glmprov.instance import Wanted


def _from_the_root(_context: click.Context, _option: click.Parameter, folder: str | None) -> str | None:
    """Return a folder on the host as it was given; refuse one that would depend on where the host begins."""
    if folder is not None and not folder.startswith("/"):
        raise click.BadParameter(f"{folder!r}: a folder on the host is written from /")
    return folder


batch_options = stack(
    click.option(
        "--serial", metavar="SIZES", help='Batches, as Ansible\'s serial: "1,25%". The last size repeats.'
    ),
    click.option(
        "--max-fail-percentage",
        type=click.FloatRange(0, 100),
        help="Begin no further batch once more than so many percent of one failed.",
    ),
    click.option(
        "--before", default="", metavar="COMMAND", help="Run this here before each host is changed."
    ),
    click.option("--after", default="", metavar="COMMAND", help="Run this here after each host was changed."),
    click.option(
        "--hook-timeout", type=click.FloatRange(0.1), metavar="SECONDS", help="How long they may take (300)."
    ),
    click.option("--reason", default="", help="Why, for the lock that others see."),
)

instance_options = stack(
    click.option("--recipes", "folders", multiple=True, metavar="DIR", help="A folder of own recipes."),
    click.option(
        "--set", "sets", multiple=True, metavar="FLAG=VALUE", help="Change a value; =null takes it away."
    ),
    click.option("--model", help="Another model: an id on the hub, or a folder on the host."),
    click.option(
        "--weights",
        metavar="DIR",
        callback=_from_the_root,
        help="A folder on the host that holds the recipe's model already.",
    ),
    click.option(
        "--weights-from",
        metavar="PLACE",
        help="Copy weights from a folder here (/… or ./…), from another host (HOST, HOST:/…), or from the hub (hub).",
    ),
    click.option("--gpus", default="", metavar="CARDS", help="UUIDs, a set's name, or how many."),
    click.option("--port", type=click.IntRange(1, 65535), help="Listen there."),
    click.option("--name", help="The instance's name (default: glm, or the inventory's)."),
    click.option("--as-published", is_flag=True, help="The published form, without the corrections."),
    click.option(
        "--accept", multiple=True, metavar="ID", help="Go ahead in spite of this finding; it is recorded."
    ),
    click.option("--locked", is_flag=True, help="Only what recipe.lock says; resolve nothing."),
    click.option(
        "--hub", metavar="URL", help="Fetch weights there (default: $HF_ENDPOINT, or https://huggingface.co)."
    ),
)

NOTHING_SAID: dict[str, Any] = {
    "recipe": None, "name": None, "locked": False, "hub": None, "gpus": "", "port": None, "model": None,
    "weights": None, "weights_from": None, "sets": (), "as_published": False, "accept": (),
}  # fmt: skip
"""What rollback has no options for: a receipt decides it."""


def orders_of(options: dict[str, Any]) -> DeployOrders:
    """Return what a command's options order. Raise UsageError for a value that makes no sense."""
    from glmprov.actions.changing.batches import parse_serial
    from glmprov.actions.changing.orders import HOOK_SECONDS, Orders
    from glmprov.actions.deploy import DeployOrders

    return DeployOrders(
        run=Orders(
            reason=options["reason"],
            serial=parse_serial(options["serial"]) if options["serial"] else (),
            max_fail_percentage=options["max_fail_percentage"],
            before=options["before"],
            after=options["after"],
            hook_seconds=options["hook_timeout"] or HOOK_SECONDS,
        ),
        recipe=options["recipe"],
        wanted=_wanted(options),
        named=options["name"] is not None,
        locked=options["locked"],
        hub=options["hub"],
        provision=again("provision", _about_hosts(options)),
    )


def _about_hosts(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that say which hosts and how to reach them, for a command that is named to a person."""
    return {**options, "before": "", "after": "", "hook_timeout": None, "reason": ""}


def _wanted(options: dict[str, Any]) -> Wanted:
    from glmprov.instance import DEFAULT_NAME, Wanted, parse_sets

    return Wanted(
        name=options["name"] or DEFAULT_NAME,
        gpus=options["gpus"],
        port=options["port"],
        model=options["model"],
        weights=options["weights"],
        weights_from=options["weights_from"],
        sets=parse_sets(options["sets"]),
        as_published=options["as_published"],
        accepted=options["accept"],
    )
