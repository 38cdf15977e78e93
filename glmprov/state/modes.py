"""What may be done with each key of a host: brought to the plan, only reported, or not even looked at. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from glmprov.state.kinds import Manage


@dataclass(frozen=True)
class Modes:
    """What an operator lets us do, by section, field ("host_tuning.sysctl") or item ("host_tuning.sysctl[a.b]").

    The longest that a key is inside of counts. What nothing is said of is enforced.
    """

    words: Mapping[str, Manage] = field(default_factory=dict)

    def of(self, key: str) -> Manage:
        """Return what may be done with a key as drift/ spells it, or with a section or field by itself."""
        said = [one for one in self.words if key == one or key.startswith((f"{one}.", f"{one}["))]
        return self.words[max(said, key=len)] if said else Manage.ENFORCE

    def left(self, key: str) -> bool:
        """Say whether a key stays as it is on the host."""
        return self.of(key) is not Manage.ENFORCE

    def anywhere(self, section: str) -> frozenset[Manage]:
        """Return all that may be done with some key of a section."""
        inside = {word for one, word in self.words.items() if one.startswith(f"{section}.")}
        return frozenset({self.of(section), *inside})

    def reporting(self, section: str) -> Modes:
        """Return modes that only report what they would enforce in a section."""
        said = {section: self.of(section), **self.words}
        inside = {one: word for one, word in said.items() if one == section or one.startswith(f"{section}.")}
        only = {one: Manage.AUDIT for one, word in inside.items() if word is Manage.ENFORCE}
        return replace(self, words={**self.words, **only})
