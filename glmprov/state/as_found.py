"""What is expected, with some keys left as they are on the host: what a role gets that must not touch those. Pure.

A role writes whole files, so a key that is left is given as the host has it, and is nothing to do. Where that
can't be said the key is left out: a role leaves alone what it isn't given. A section in which nothing is left to do
isn't applied at all: it is None.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import Field, dataclass, fields, replace
from typing import Any

from glmprov.state.kinds import Disruption, Kind
from glmprov.state.sections import ContainerEngine, GpuDriver, HostState, NcclEnv
from glmprov.state.values import Dropped, Later, Setting, Unit, Unknown

Left = Callable[[str], bool]
"""Given a leaf's key as drift/ spells it, says whether it is left as it is."""


def under(prefixes: Collection[str]) -> Left:
    """Return what says of a key whether it is one of these, or is inside one: a section, a field, an item."""
    chosen = frozenset(prefixes)
    return lambda key: key in chosen or any(key.startswith((f"{one}.", f"{one}[")) for one in chosen)


def as_found(
    expected: HostState, observed: HostState, left: Left, applied: HostState | None = None
) -> HostState:
    """Return what is expected, with every key that is left as it is on the host.

    In places that we share with others (sysctl.d, daemon.json) our own files tell ours from theirs, and where they
    can't, applied, which is the receipt's. What we never set there is left out, so that neither our files nor the next
    receipt claim it.
    """
    before = applied or HostState()
    sections = {
        name: _section(name, getattr(expected, name), getattr(observed, name), getattr(before, name), left)
        for name in (each.name for each in fields(HostState))
    }
    return HostState(**sections)


def _section(name: str, expected: Any, observed: Any, applied: Any, left: Left) -> Any:
    if expected is None or left(name):
        return None
    keys = frozenset(_keys(name, expected, observed))
    spared = frozenset(key for key in keys if left(key))
    if not spared or spared == keys:
        return None if spared else expected
    values = {}
    for each in _compared(expected):
        found, before = (getattr(section, each.name, None) for section in (observed, applied))
        own = _own(observed, each) if each.metadata["shared"] else None
        field = _Left(f"{name}.{each.name}", each.metadata, found, before, own, spared)
        values[each.name] = field.given(getattr(expected, each.name))
    given = replace(expected, **values)
    if isinstance(given, GpuDriver):
        return _driver(given, observed, applied, spared)
    if isinstance(given, ContainerEngine):
        return _engine(given, spared)
    return _with_own_reasons(given, spared) if isinstance(given, NcclEnv) else given


def _own(observed: Any, field: Field[Any]) -> Mapping[str, str] | None:
    """Return what our own files declare of a field, None where none tells it."""
    ours = getattr(observed, "ours", None)
    return ours.get(field.name) if isinstance(ours, Mapping) else None


def _compared(section: Any) -> Iterator[Field[Any]]:
    """Yield the fields that a comparison looks at and that are managed."""
    for each in fields(section):
        if each.metadata["kind"] in (Kind.SETTING, Kind.OUTCOME) and getattr(section, each.name) is not None:
            yield each


def _keys(name: str, expected: Any, observed: Any) -> Iterator[str]:
    """Yield the keys of a section's leaves, as a comparison would."""
    for each in _compared(expected):
        key, value = f"{name}.{each.name}", getattr(expected, each.name)
        if not isinstance(value, Mapping):
            yield from _parts(key, value)
            continue
        found = getattr(observed, each.name, None)
        for item in value:
            yield from _parts(f"{key}[{item}]", value[item])
        for item in found if each.metadata["exact"] and isinstance(found, Mapping) else ():
            if item not in value:
                yield f"{key}[{item}]"


def _parts(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Setting):
        yield from (f"{key}.{part}" for part in ("declared", "effective") if getattr(value, part) is not None)
    elif isinstance(value, Unit):
        yield from (f"{key}.enabled", f"{key}.active")
    else:
        yield key


@dataclass(frozen=True)
class _Left:
    """A field of which keys are left: what the host has there, what was applied, and what our own files say."""

    key: str
    metadata: Mapping[str, Any]
    observed: Any
    applied: Any
    own: Mapping[str, str] | None
    spared: frozenset[str]

    def given(self, expected: Any) -> Any:
        """Return the field's value for the role, None to leave it out."""
        if not isinstance(expected, Mapping):
            return self._one(self.key, expected, self.observed, self.applied)
        found = self.observed if isinstance(self.observed, Mapping) else {}
        unread = None if isinstance(self.observed, Mapping) else self.observed
        before = _standing(self.applied)
        names = [*expected, *(name for name in found if self.metadata["exact"] and name not in expected)]
        items = {
            name: self._one(
                f"{self.key}[{name}]", expected.get(name), found.get(name, unread), before.get(name)
            )
            for name in names
        }
        kept = {name: value for name, value in items.items() if value is not None}
        return kept or (expected if not expected else None)

    def _one(self, key: str, expected: Any, found: Any, applied: Any) -> Any:
        if self.spared.isdisjoint(_parts(key, expected)):
            return expected
        if isinstance(expected, Later) or self.metadata["kind"] == Kind.OUTCOME:
            return None
        if isinstance(expected, Setting):
            return self._setting(key, expected, found, applied)
        if self.metadata["shared"] and applied is None:
            return None
        # An item's line is in a file that the role writes as a whole; anything else it leaves alone if not given.
        return _known(found, applied if isinstance(self.applied, Mapping) else None)

    def _setting(self, key: str, expected: Setting, found: Any, applied: Any) -> Setting | None:
        declared = _known(getattr(found, "declared", found), getattr(applied, "declared", None))
        running = _known(getattr(found, "effective", found), None)
        effective = running if f"{key}.effective" in self.spared else expected.effective
        if expected.declared is not None and f"{key}.declared" not in self.spared:
            return Setting(expected.declared, effective)
        theirs = self.metadata["shared"] and applied is None
        if self.own is not None:
            declared, theirs = self.own.get(key.partition("[")[2].removesuffix("]")), False
        # A role sets such a value now, too: one that runs otherwise, by somebody else's hand, must not be given.
        sets_it_now = self.metadata["disruption"] == Disruption.NONE
        changed = sets_it_now and running is not None and str(running) != str(declared)
        return None if declared is None or theirs or changed else Setting(declared, effective)


def _standing(applied: Any) -> Mapping[str, Any]:
    """Return what was applied of a mapping, as far as it isn't to be taken away."""
    items = applied.items() if isinstance(applied, Mapping) else ()
    return {name: value.was if isinstance(value, Dropped) else value for name, value in items}


def _known(found: Any, applied: Any) -> Any:
    """Return what was read; where it could not be read, what was applied; None where neither says anything."""
    found = applied if isinstance(found, Unknown) else found
    if isinstance(found, Unit) and Unknown in (type(found.enabled), type(found.active)):
        return None
    return None if isinstance(found, Unknown | Later) else found


def _driver(
    given: GpuDriver, observed: GpuDriver | None, applied: GpuDriver | None, spared: frozenset[str]
) -> GpuDriver | None:
    """Return the section with a driver that is left. All of it comes with installing one of ours.

    So where there is none, or one that we didn't install, nothing of the section is applied.
    """
    of_the_driver = ("origin", "branch", "version", "version.declared")
    if spared.isdisjoint(f"gpu_driver.{key}" for key in of_the_driver):
        return given
    if given.source == "existing":
        return given
    version = observed.version if observed else None
    installed = version.declared if isinstance(version, Setting) else None
    if applied is None or applied.source in (None, "existing") or not isinstance(installed, str):
        return None
    effective = given.version.effective if isinstance(given.version, Setting) else None
    return replace(
        given,
        source=applied.source,
        branch=installed.partition(".")[0],
        version=Setting(installed, effective),
        rollback=None,
        repository_url=applied.repository_url,
        repository_key_url=applied.repository_key_url,
        repository_key_fingerprint=applied.repository_key_fingerprint,
    )


def _engine(given: ContainerEngine, spared: frozenset[str]) -> ContainerEngine | None:
    """Return the section with an engine that is left: none is installed, and the daemon isn't restarted."""
    if "container_engine.package" in spared and given.package is None:
        return None
    runs_as_it_is = not spared.isdisjoint(
        ("container_engine.nvidia_runtime", "container_engine.cgroup_driver")
    )
    return replace(given, service=None) if runs_as_it_is else given


def _with_own_reasons(given: NcclEnv, spared: frozenset[str]) -> NcclEnv:
    """Return the section without our reasons for values that aren't ours."""
    reasons = {n: why for n, why in (given.reasons or {}).items() if f"nccl_env.env[{n}]" not in spared}
    return replace(given, reasons=reasons)
