"""systemd units for our modules."""

from __future__ import annotations

from ansible.module_utils.glmprov_host import difference, link_devices

STATE_OPTIONS = {
    "enabled": {"type": "bool", "default": True},
    "active": {"type": "bool", "default": True},
}
"""The argument spec of a unit's wanted state."""


class Unit:
    """A unit, and what it takes to bring it to a state."""

    def __init__(self, module, name):
        self.module = module
        self.name = name

    def systemctl(self, *arguments):
        """Run systemctl; a failure ends the task with the unit's last words."""
        rc, out, err = self.module.run_command(["systemctl", *arguments])
        if rc:
            words = (err.strip() or out.strip()) + self.journal()
            self.module.fail_json(msg=f"systemctl {' '.join(arguments)}: {words}")
        return out

    def show(self):
        """Return ((enabled, active), needs a daemon-reload). A static unit counts as enabled."""
        text = self.systemctl("show", "-p", "UnitFileState,ActiveState,NeedDaemonReload", self.name)
        values = dict(line.partition("=")[::2] for line in text.splitlines())
        enabled = values["UnitFileState"] in ("enabled", "static", "indirect", "alias")
        return (enabled, values["ActiveState"] == "active"), values["NeedDaemonReload"] == "yes"

    def journal(self, lines=5):
        """Return the unit's last words, for a message."""
        command = ["journalctl", "-u", self.name, "-n", str(lines), "-o", "cat", "--no-pager"]
        text = self.module.run_command(command)[1].strip()
        return f"\n{text}" if text else ""

    def bring_to(self, state, *, restart=False, reload=False, can_run=True, may_fail=False):
        """Bring the unit to state, {enabled, active}. Return the diff, None if nothing changed.

        A unit whose condition isn't met stays inactive, one that can't run before the reboot as it is. Links are
        made before a daemon-reload: it would cut containers off their cards otherwise. may_fail: a unit that runs and
        fails is left so.
        """
        before, stale = self.show()
        wanted = (state["enabled"], state["active"] if can_run else before[1])
        if self.module.check_mode:
            return self.changed(before, wanted)
        if reload or stale or before[0] != wanted[0]:
            link_devices()
        if reload or stale:
            self.systemctl("daemon-reload")
        if before[0] != wanted[0]:
            self.systemctl("enable" if wanted[0] else "disable", self.name)
        if wanted[1] and can_run and (restart or not before[1]):
            run = self.module.run_command if may_fail else lambda command: self.systemctl(*command[1:])
            run(["systemctl", "restart", self.name])
        elif before[1] and not wanted[1]:
            self.systemctl("stop", self.name)
        return self.changed(before, self.show()[0])

    def changed(self, before, after):
        """Return the diff between two states, None if they are the same."""
        if before == after:
            return None
        return difference(
            self.name, *(f"enabled {enabled}\nactive {active}\n" for enabled, active in (before, after))
        )
