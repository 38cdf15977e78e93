#!/usr/bin/python
"""Bring the cards' power limits, as they are now, to what they should be."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import another_driver_is_loaded, difference

DOCUMENTATION = r"""
module: gpu_power_limits
short_description: Bring the cards' power limits, as they are now, to what they should be
description:
  - Looks at the cards and not at files, so that a limit that somebody set by hand is found, in check mode
    too.
  - Runs the boot unit if a card differs, and looks again. Cards that still differ are returned as refused; it is
    for a later task to fail, so that the others keep what they took.
options:
  limits:
    description: Watts by card UUID.
    type: dict
    required: true
  unit:
    description: The boot unit that sets them.
    type: str
    required: true
author: glmprov
"""

EXAMPLES = r"""
- name: Set the limits
  gpu_power_limits:
    limits: {GPU-00000000-0000-0000-0000-000000000000: 400}
    unit: glmprov-gpu-power.service
"""

RETURN = r"""
refused:
  description: A line for each card that didn't take its limit, with the driver's words.
  returned: always
  type: list
"""

QUERY = ["--query-gpu=uuid,power.limit,persistence_mode", "--format=csv,noheader,nounits"]


def parse(text):
    """Given nvidia-smi's answer to QUERY, return {uuid: (watts or None, persistence mode)}."""
    rows = ([cell.strip() for cell in line.split(",")] for line in text.splitlines())
    return {
        row[0]: (watts(row[1]), row[2] == "Enabled")
        for row in rows
        if len(row) == 3 and row[0].startswith("GPU-")
    }


def watts(cell):
    try:
        return round(float(cell))
    except ValueError:
        return None


def wrong(cards, limits):
    """Return a line for each card that isn't as wanted."""
    lines = []
    for uuid, wanted in sorted(limits.items()):
        limit, persistence = cards.get(uuid, (None, False))
        if uuid not in cards:
            lines.append(f"{uuid}: the driver doesn't show this card")
        elif limit != wanted or not persistence:
            lines.append(f"{uuid}: {limit} W, persistence mode {'on' if persistence else 'off'}")
    return lines


def main():
    module = AnsibleModule(
        argument_spec={
            "limits": {"type": "dict", "required": True},
            "unit": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    limits = {uuid: int(value) for uuid, value in module.params["limits"].items()}
    if another_driver_is_loaded():
        module.exit_json(changed=False, refused=[], msg="the cards can be asked after the reboot")
    cards = look(module)
    if cards is None and module.check_mode:
        module.exit_json(changed=True, refused=[], msg="known after the driver is there")
    before = wrong(cards or {}, limits)
    if not before:
        module.exit_json(changed=False, refused=[])
    diff = difference(
        "power limits",
        "".join(line + "\n" for line in before),
        "".join(
            f"{line.split(':')[0]}: {limits[line.split(':')[0]]} W, persistence mode on\n" for line in before
        ),
    )
    refused = [] if module.check_mode else set_limits(module, limits)
    module.exit_json(changed=True, diff=diff, refused=refused)


def look(module):
    """Return the cards, None without a driver."""
    nvidia_smi = module.get_bin_path("nvidia-smi")
    if not nvidia_smi:
        return None
    rc, out, err = module.run_command(["timeout", "60", nvidia_smi, *QUERY])
    if rc and not module.check_mode:
        module.fail_json(msg=f"nvidia-smi: {(out or err).strip() or f'exit code {rc}'}")
    return parse(out)


def set_limits(module, limits):
    """Run the boot unit and return a line for each card that didn't take its limit."""
    unit = module.params["unit"]
    module.run_command(["systemctl", "restart", unit])
    still = wrong(look(module) or {}, limits)
    if not still:
        return []
    _, journal, _ = module.run_command(["journalctl", "-u", unit, "-n", "60", "-o", "cat", "--no-pager"])
    return [in_words(line, journal) for line in still]


def in_words(line, journal):
    """Return a line about a card with what the driver said last when it was to be set."""
    uuid = line.partition(":")[0]
    said = [each for each in journal.splitlines() if each.startswith(f"{uuid}: ")]
    return f"{line}; {said[-1].partition(': ')[2]}" if said else line


if __name__ == "__main__":
    main()
