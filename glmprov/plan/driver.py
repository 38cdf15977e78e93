"""What gpu_driver should be: source, branch, version, and everything that keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from glmprov import catalog
from glmprov.plan import driver_kernel, driver_source
from glmprov.plan.driver_rollback import kept_version, rollback_faults, rollback_notes
from glmprov.plan.situation import AFTER_DRIVER, Part, Situation
from glmprov.state import GpuDriver, Later, Setting, Unit, Unknown


def gpu_driver(situation: Situation) -> Part[GpuDriver]:
    """Return the driver section.

    A driver that runs the cards is never moved to another branch without an order.
    """
    settings = situation.settings.gpu_driver
    source, source_reason = driver_source.source(situation)
    branch, branch_reason = _branch(situation)
    version, version_reason = _version(situation, source, branch)
    ours = source != "existing"
    expected = GpuDriver(
        source=source,
        origin=driver_source.origin(situation, source),
        branch=branch,
        version=version if ours else _as_it_is(situation, version),
        open_modules=True if _needs_open(situation) or ours else None,
        next_kernel_module=driver_kernel.next_kernel_module(situation),
        next_kernel_configured=driver_kernel.next_kernel_configured(situation),
        held=_held(situation) if ours else None,
        pinned=True if ours else None,
        automatic_upgrades_blocked=True if ours else None,
        nouveau_blocked=True if ours else None,
        persistence_daemon=Unit(True, True) if ours else None,
        cdi_specs=driver_kernel.cdi_specs(situation),
        cards=_cards(situation),
        kernels=driver_kernel.kernels(situation) if ours else None,
        keep_previous=settings.keep_previous,
        rollback=True if ours and kept_version(situation) else None,
        repository_url=settings.repository_url,
        repository_key_url=settings.repository_key_url,
        repository_key_fingerprint=settings.repository_key_fingerprint,
    )
    reasons = {
        "gpu_driver.source": source_reason,
        "gpu_driver.origin": source_reason,
        "gpu_driver.branch": branch_reason,
        "gpu_driver.version": version_reason,
        "gpu_driver.open_modules": "Blackwell runs with the open kernel modules and no others",
        "gpu_driver.next_kernel_module": driver_kernel.next_kernel_reason(situation),
        "gpu_driver.next_kernel_configured": driver_kernel.configured_reason(situation),
        "gpu_driver.held": "kernel, module and userland move together or not at all",
        "gpu_driver.pinned": f"keeps branch {branch}",
        "gpu_driver.automatic_upgrades_blocked": "an upgrade under a loaded module breaks the driver, "
        "and so does a kernel without a module",
        "gpu_driver.nouveau_blocked": "nouveau would take the cards at boot",
        "gpu_driver.persistence_daemon": "power limits and start-up time are lost without it",
        "gpu_driver.cdi_specs": "containers get the driver's libraries by the paths in it",
        "gpu_driver.cards": "a card that was there must stay",
    }
    return Part(
        expected,
        reasons,
        tuple(_notes(situation, source, branch)),
        tuple(_faults(situation, source, branch, version)),
    )


def branch_of(version: str) -> str:
    """Return the branch of a driver version: "580" of "580.95.05"."""
    return version.partition(".")[0]


def _branch(situation: Situation) -> tuple[str, str]:
    settings, applied = situation.settings.gpu_driver, driver_source.applied_driver(situation)
    kept = kept_version(situation)
    if kept:
        return branch_of(kept), "gone back to"
    if settings.branch:
        return settings.branch, "inventory"
    if settings.version:
        return branch_of(settings.version), "the inventory's version is of it"
    if applied and isinstance(applied.branch, str):
        return applied.branch, "applied before"
    present = situation.installed_version or situation.loaded_version
    if present and not list(_too_old(situation, branch_of(present), present)):
        return branch_of(present), f"{present} is installed and runs the cards"
    return str(catalog.load().default_branch), "default"


def _version(situation: Situation, source: str, branch: str) -> tuple[Setting | Later, str]:
    """Return the version, and why. What another source had is no measure: this one may never have offered it."""
    settings, applied = situation.settings.gpu_driver, situation.applied.gpu_driver
    kept = kept_version(situation)
    if kept:
        return Setting(kept, kept), "gone back to"
    if settings.version:
        return Setting(settings.version, settings.version), "inventory"
    if driver_source.moves(situation, source):
        return Later(f"the newest of branch {branch} from source {source}; known after it is installed"), ""
    recorded = applied.version.declared if applied and isinstance(applied.version, Setting) else None
    same_source = applied is not None and applied.source == source
    if isinstance(recorded, str) and branch_of(recorded) == branch and same_source:
        return Setting(recorded, recorded), "applied before"
    present = situation.installed_version
    if present and branch_of(present) == branch and not list(_too_old(situation, branch, present)):
        return Setting(present, present), "installed already"
    return Later(f"the newest of branch {branch}; {AFTER_DRIVER}"), ""


def _as_it_is(situation: Situation, version: Setting | Later) -> Setting | Later:
    """Return what is expected of a driver that is only checked: with no package, the module counts."""
    if isinstance(version, Setting) and situation.installed_version:
        return version
    effective = version.effective if isinstance(version, Setting) else situation.loaded_version
    return Setting(None, effective) if effective else Later(AFTER_DRIVER)


def _held(situation: Situation) -> Mapping[str, bool] | Later:
    observed = situation.observation.state.gpu_driver
    held = observed.held if observed else None
    if isinstance(held, Mapping) and held:
        return dict.fromkeys(held, True)
    return situation.later()


def _cards(situation: Situation) -> Mapping[str, bool] | Later:
    """Return the cards that must be there: the receipt's, the driver's, and by bus id those it doesn't show.

    A card of the receipt that is gone stands for one that only the PCI bus shows: it isn't counted twice.
    """
    recorded = situation.receipt.cards if situation.receipt else ()
    if situation.gpus is None:
        return dict.fromkeys(recorded, True) if recorded else situation.later()
    answering = [card.key for card in situation.topology.cards if card.key != card.bus_id]
    silent = [card.key for card in situation.topology.cards if card.key == card.bus_id]
    gone = [uuid for uuid in recorded if uuid not in answering]
    return dict.fromkeys((*recorded, *answering, *silent[len(gone) :]), True)


def _needs_open(situation: Situation) -> bool:
    required = catalog.load().open_modules_required
    return any(card.entry and card.entry.architecture in required for card in situation.topology.cards)


def _too_old(situation: Situation, branch: str, version: str | None) -> Iterator[str]:
    """Yield why a branch, or a version of it, doesn't run the cards."""
    entries = {card.entry.name: card.entry for card in situation.topology.cards if card.entry}
    for entry in entries.values():
        if int(branch) < entry.minimum_branch:
            yield f"gpu_driver_branch {branch}: {entry.name} needs {entry.minimum_branch} or newer"
        elif version and _numbers(version) < _numbers(entry.minimum_version):
            yield f"gpu_driver_version {version}: {entry.name} needs {entry.minimum_version} or newer"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _faults(situation: Situation, source: str, branch: str, version: Setting | Later) -> Iterator[str]:
    settings, system = situation.settings.gpu_driver, situation.observation.hardware.system
    if settings.version and settings.branch and branch_of(settings.version) != settings.branch:
        yield f"gpu_driver_version {settings.version} isn't of gpu_driver_branch {settings.branch}"
    declared = version.declared if isinstance(version, Setting) else None
    yield from _too_old(situation, branch, declared if isinstance(declared, str) else None)
    if source == "ubuntu" and system.distribution != "ubuntu":
        yield f"gpu_driver_source ubuntu: the host runs {system.distribution}; nvidia and existing work there"
    release = catalog.load().distribution(system.distribution, system.release)
    if source == "nvidia" and release and int(branch) < release.minimum_branch:
        yield (
            f"gpu_driver_branch {branch}: for {release.distribution} {release.release} "
            f"NVIDIA packages drivers from branch {release.minimum_branch} on"
        )
    yield from driver_kernel.signing_faults(situation, source)
    yield from rollback_faults(situation, source)
    yield from _existing_faults(situation, source)


def _existing_faults(situation: Situation, source: str) -> Iterator[str]:
    observed = situation.observation.state.gpu_driver
    if source != "existing":
        if situation.driver_is_unowned:
            yield (
                f"gpu_driver_source {source}: driver {situation.loaded_version} runs and no package owns it; "
                "remove it first (nvidia-uninstall), or set gpu_driver_source to existing"
            )
        return
    if not situation.loaded_version and not situation.installed_version:
        yield "gpu_driver_source existing: there is no driver"
    elif observed and observed.open_modules is False and _needs_open(situation):
        yield "gpu_driver_source existing: the loaded module is proprietary and doesn't run Blackwell"


def _notes(situation: Situation, source: str, branch: str) -> Iterator[str]:
    known = catalog.load().branch(int(branch))
    if known is None:
        yield f"driver branch {branch} isn't in the catalog: taken as it is"
    elif source == "ubuntu":
        yield f"driver branch {branch}: {known.note}"
    if source == "existing":
        yield "gpu_driver_source existing: the driver is only checked"
    yield from rollback_notes(situation)
    for card in situation.topology.cards:
        if card.entry is None:
            yield f"card at {card.bus_id} ({card.edition}) isn't in the catalog"
        if situation.gpus is not None and card.key == card.bus_id:
            yield f"card at {card.bus_id} is on the PCI bus and the driver doesn't show it"
    gone = set(situation.receipt.cards if situation.receipt else ()) - {
        card.key for card in situation.topology.cards
    }
    if gone and situation.gpus is not None:
        yield f"cards of the last receipt that are gone: {', '.join(sorted(gone))}"
    driver = situation.observation.state.gpu_driver
    if driver and isinstance(driver.version, Unknown):
        yield f"the driver's version can't be read: {driver.version.reason}"
