"""Whether a recipe may run on a host at all: the host's own scope, the lint, the fit. Pure; each says every reason."""

from __future__ import annotations

from collections.abc import Iterator

from glmprov.actions.deploy.clean import require_clean
from glmprov.actions.deploy.planned import Planned
from glmprov.actions.deploy.planning import taken
from glmprov.actions.deploy.tuned import Shipped
from glmprov.actions.deploy.tuned import told as told_of_tuned
from glmprov.actions.recipe.fit import on_observed
from glmprov.engines.meaning import engine_of
from glmprov.errors import GlmprovError, PlanError
from glmprov.instance import Wanted
from glmprov.lint import Finding, Target
from glmprov.lint.linted import accepted_rules, lint_launch
from glmprov.observation import Observation
from glmprov.recipe import Change, Recipe, changed
from glmprov.results.review import HostReview
from glmprov.state import Setting, Unknown
from glmprov.topology import NamedSets

_FIT_RULE = "does-not-fit"
HOST_SCOPE = "host-scope"
"""What may be accepted beside the lint's rules: a host that isn't as provisioned."""


def check(
    planned: Planned,
    recipe: Recipe,
    review: HostReview,
    wanted: Wanted,
    named: NamedSets,
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
    faults: list[str] = []
    if HOST_SCOPE not in wanted.accepted:
        try:
            require_clean(review, provision)
        except PlanError as error:
            faults += str(error.message).splitlines()
    findings = findings_of(planned, recipe, observation, shipped)
    faults += [_told(each) for each in findings if each.level == "refuse" and each.rule not in accepted]
    unfit, notes = _fit(planned, recipe, observation, named)
    if not any(
        each.rule == _FIT_RULE for each in findings
    ):  # the lint says it better, and it can be accepted there
        faults += unfit
    if faults:
        raise PlanError(
            "\n".join(faults),
            host=review.host,
            next_step=provision if len(faults) and _is_host(faults) else None,
        )
    told = (f"accepted: {_told(each)}" for each in findings if each.rule in accepted)
    return (
        *told,
        *(_told(each) for each in findings if each.level == "warn" and each.rule not in accepted),
        *told_of_tuned(planned, observation, shipped),
        *notes,
    )


def _is_host(faults: list[str]) -> bool:
    return faults[0].startswith("the host isn't as provisioned")


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


def _fit(
    planned: Planned, recipe: Recipe, observation: Observation, named: NamedSets
) -> tuple[list[str], Iterator[str]]:
    holders = {other.name: other.gpus for other in taken(observation) if other.name != planned.instance.name}
    launch = planned.instance.launch
    name = engine_of(launch).name_in(launch, "model")
    if name is not None:  # whatever id was published, these are the weights
        launch = changed(launch, Change(arguments={name: planned.instance.weights.model}), "host")
    try:
        found = on_observed(observation, recipe, launch, named=named, holders=holders)
    except GlmprovError as error:
        return [], iter((f"whether it fits can't be said: {error.message}",))
    if found.strategy is None:
        return [f"it doesn't fit: {reason}" for reason in found.reasons], iter(())
    seat = found.seat
    context = seat.alone.context_tokens if seat else 0
    return [], iter((f"it fits, with about {context:,} tokens of context",) if context else ())
