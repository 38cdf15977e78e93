"""The payload's answer → what files of ours declare, apart from what others declare of the same things."""

from __future__ import annotations

import re
from collections.abc import Mapping

from glmprov.probe.answer import Answer
from glmprov.probe.parse_kernels import boot_line
from glmprov.probe.texts import kernel_arguments, key_values, modprobe_options, shell_words
from glmprov.probe.wanted import GRUB_DROP_IN

HOST_TUNING_CONF = "/etc/glmprov/host-tuning.conf"
MODPROBE_CONF = "/etc/modprobe.d/glmprov.conf"
SYSCTL_CONF = "/etc/sysctl.d/90-glmprov.conf"


def ours(answer: Answer) -> Mapping[str, Mapping[str, str]]:
    """Return what our files declare, by field of host_tuning and name.

    Without GRUB there is no "kernel_arguments": /etc/kernel/cmdline is shared with others.
    """
    conf = key_values(_text(answer, HOST_TUNING_CONF))
    found = {
        "module_options": modprobe_options(_text(answer, MODPROBE_CONF)),
        "sysctl": dict(key_values(_text(answer, SYSCTL_CONF))),
        "acs_disabled": {bus_id.lower(): "True" for key, bus_id in conf if key == "acs_off"},
    }
    if boot_line(answer) is not None:
        found["kernel_arguments"] = grub_arguments(_text(answer, GRUB_DROP_IN))
    return found


def grub_arguments(drop_in: str) -> dict[str, str]:
    """Given our GRUB drop-in, return the kernel arguments that it adds at the end of the default ones."""
    added = re.search(r'^GRUB_CMDLINE_LINUX_DEFAULT="\$\(.*\)"(\'.*)$', drop_in, re.MULTILINE)
    return kernel_arguments(" ".join(shell_words(added[1]))) if added else {}


def _text(answer: Answer, path: str) -> str:
    text = answer.text(path)
    return text if isinstance(text, str) else ""
