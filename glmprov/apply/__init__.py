"""Settings: a playbook with variables by host, through ansible-runner. The only caller of ansible-playbook.

Starting Ansible costs as much as many tasks. So one is started for several stages, as soon as it is known that there
will be one, and asks for its hosts and their variables before each stage (see inventory_plugin).

Secrets: a host's passwords go to Ansible over a socket in a folder of mode 0700, and are in no file. Nothing secret
is in argv, in the environment, or in an artifact, and messages are cleared of it. The folder is removed when Ansible
ends, however it ends; what a killed run left behind is removed by the next one (see left_behind).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Self

from glmprov.apply import left_behind
from glmprov.apply.events import Event, Status
from glmprov.apply.options import Options, ansible_home
from glmprov.apply.process import Ansible
from glmprov.apply.stage_inventory import Variables
from glmprov.apply.tally import HostResult, Tally

__all__ = ["Event", "HostResult", "Options", "Session", "Status", "ansible_home", "left_behind"]


class Session:
    """Stages on some hosts, one after the other, with as few starts of Ansible as can be.

    on_event hears of each task as it starts and ends, in the thread that applies. Leave the block by an error, or by
    Ctrl-C, and Ansible is stopped.
    """

    def __init__(self, options: Options, on_event: Callable[[Event], None]) -> None:
        self._options = options
        self._on_event = on_event
        self._ansible: Ansible | None = None

    def prepare(self, stages: Sequence[Collection[str]]) -> None:
        """Start Ansible now for stages with these sections each: it gets its hosts when they are applied."""
        self.end()
        self._ansible = Ansible(self._options, stages, Tally(self._on_event))

    def apply(
        self, variables: Mapping[str, Variables], sections: Mapping[str, Sequence[str]]
    ) -> Mapping[str, HostResult]:
        """Run the playbook on the hosts of variables once, and return what became of each.

        variables are a host's role variables and connection variables by its name, sections the roles to apply
        there. Raise ApplyError if Ansible fails before it reaches any host.
        """
        needed = {section for chosen in sections.values() for section in chosen}
        if self._ansible is None or not self._ansible.serves(needed):
            self.prepare([needed])
        assert self._ansible is not None  # noqa: S101  # it was prepared
        return self._ansible.apply(variables, sections)

    def end(self) -> None:
        """Let Ansible end, if it is there."""
        if self._ansible is not None:
            self._ansible.end()
            self._ansible = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exc is None:
                self.end()
        finally:
            if self._ansible is not None:
                self._ansible.stop()
