"""Whether a recipe may run on a host at all: the host's own scope, the lint, the fit. Pure; each says every reason."""

from __future__ import annotations

from collections.abc import Sequence

from glmprov.actions.deploy.clean import require_clean
from glmprov.actions.deploy.planned import Planned
from glmprov.actions.deploy.tuned import Shipped
from glmprov.actions.deploy.tuned import told as told_of_tuned
from glmprov.actions.recipe.fit import on_its_cards
from glmprov.engines.meaning import engine_of
from glmprov.errors import GlmprovError, PlanError
from glmprov.fit.hosts import Strategy
from glmprov.instance import Wanted
from glmprov.lint import Finding, Target
from glmprov.lint.linted import accepted_rules, lint_launch
from glmprov.observation import Observation
from glmprov.recipe import Change, Recipe, changed
from glmprov.results.review import HostReview
from glmprov.state import Setting, Unknown

_FIT_RULE = "does-not-fit"
HOST_SCOPE = "host-scope"
"""What may be accepted beside the lint's rules: a host that isn't as provisioned."""


def check(
    planned: Planned,
    recipe: Recipe,
    review: HostReview,
    wanted: Wanted,
    provision: str,
    shipped: Shipped | None = None,
) -> tuple[str, ...]:
    """Return what a person should know. Raise PlanError with every reason why this must not be deployed.

    shipped are the tuned files of the image on the host; without them the catalogue speaks for its release.
    """
    observation = review.observation
    if observation is None:
        return ()
    accepted = accepted_rules([word for word in wanted.accepted if word != HOST_SCOPE])
    unclean = [] if HOST_SCOPE in wanted.accepted else _unclean(review, provision)
    findings = findings_of(planned, recipe, observation, shipped)
    unfit, fits = _fit(planned, recipe, observation)
    if any(each.rule == _FIT_RULE for each in findings):  # the lint says it already
        unfit = []
    agreed = [_told(each) for each in findings if each.rule in accepted]
    others = [each for each in findings if each.rule not in accepted]
    if _FIT_RULE in accepted:
        agreed, unfit = [*agreed, *unfit], []
    faults = [*unclean, *(_told(each) for each in others if each.level == "refuse"), *unfit]
    if faults:
        raise PlanError("\n".join(faults), host=review.host, next_step=provision if unclean else None)
    return (
        *(f"accepted: {each}" for each in agreed),
        *(_told(each) for each in others if each.level == "warn"),
        *told_of_tuned(planned, observation, shipped),
        *fits,
    )


def _unclean(review: HostReview, provision: str) -> list[str]:
    try:
        require_clean(review, provision)
    except PlanError as error:
        return str(error.message).splitlines()
    return []


def findings_of(
    planned: Planned, recipe: Recipe, observation: Observation, shipped: Shipped | None = None
) -> tuple[Finding, ...]:
    """Return what the lint says of an instance on its host."""
    launch, own = planned.instance.launch, planned.instance.moe
    gpus = () if isinstance(observation.hardware.gpus, Unknown) else observation.hardware.gpus
    driver = observation.state.gpu_driver
    loaded = driver.version.effective if driver and isinstance(driver.version, Setting) else None
    target = Target(
        gpus=len(planned.instance.gpus),
        cards=tuple(dict.fromkeys(gpu.name for gpu in gpus if gpu.uuid in planned.instance.gpus)),
        driver=loaded if isinstance(loaded, str) else None,
        moe_config=own.text if own else None,
        moe_configs=None if isinstance(shipped, Unknown) else shipped,
        environment={
            n: v.value for n, v in planned.instance.environment.items() if v.origin == "host profile"
        },
    )
    as_published = planned.instance.form == "as published"
    return lint_launch(launch, recipe, target, as_published=as_published).findings


def _told(finding: Finding) -> str:
    fix = f"; {finding.fix}" if finding.fix else ""
    place = f"{finding.place}: " if finding.place else ""
    return f"{finding.rule}: {place}{finding.sentence}{fix}"


def _fit(planned: Planned, recipe: Recipe, observation: Observation) -> tuple[list[str], list[str]]:
    """Return why the instance doesn't fit on the cards that it gets, or what of it a person should know."""
    instance = planned.instance
    launch, name = instance.launch, engine_of(instance.launch).name_in(instance.launch, "model")
    if name is not None:  # whatever id was published, these are the weights
        launch = changed(launch, Change(arguments={name: instance.weights.model}), "host")
    try:
        found = on_its_cards(observation, recipe, launch, instance.gpus, instance.name)
    except GlmprovError as error:
        return [], [f"whether it fits can't be said: {error.message}"]
    if found.strategy is None:
        return [f"{_FIT_RULE}: {reason}" for reason in found.reasons], []
    context = found.seat.alone.context_tokens if found.seat else 0
    tokens = f", with about {context:,} tokens of context" if context else ""
    return [], [f"it fits on its cards{tokens}: {_how(found.strategy, found.serving, instance.name)}"]


def _how(strategy: Strategy, serving: Sequence[str], name: str) -> str:
    others = ", ".join(who for who in serving if who != name)
    match strategy:
        case Strategy.START:
            return "start, nothing runs there"
        case Strategy.SIDE_BY_SIDE:
            return f"side by side with {others}"
        case Strategy.ONE_SOCKET:
            return f"one socket at a time, {others} goes on"
    return f"swap, what serves stops first{f'; {others} goes on' if others else ''}"
