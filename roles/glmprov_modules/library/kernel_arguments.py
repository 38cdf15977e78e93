#!/usr/bin/python
"""Put arguments on the kernel's command line, through GRUB or /etc/kernel/cmdline."""

from __future__ import annotations

import glob
import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.glmprov_host import difference, file_change, read_text, why, write_text

DOCUMENTATION = r"""
module: kernel_arguments
short_description: Put arguments on the kernel's command line, through GRUB or /etc/kernel/cmdline
description:
  - Sets the given arguments for the next boot, and takes out those whose value is null. Others stay as they are and
    where they are.
  - GRUB gets a drop-in of ours, /etc/default/grub.d/90-glmprov.cfg; without GRUB, /etc/kernel/cmdline is
    edited. Without arguments of ours there is no drop-in.
  - Looks at what the boot loader will really pass, so that arguments that somebody dropped are put back.
options:
  arguments:
    description: Values by name; an empty value is a flag, null takes the argument out.
    type: dict
    required: true
  grub:
    description: Where GRUB boots, set them there; false does nothing there.
    type: bool
    default: true
author: glmprov
"""

EXAMPLES = r"""
- name: Set the kernel's arguments
  kernel_arguments:
    arguments: {iommu: pt, pcie_aspm: "off"}
"""

GRUB_CFG = "/boot/grub/grub.cfg"
GRUB_DROP_IN = "/etc/default/grub.d/90-glmprov.cfg"
CMDLINE = "/etc/kernel/cmdline"
ARGUMENT = re.compile(r'(?:[^\s"]|"[^"]*")+')
WORD = re.compile(rf"({ARGUMENT.pattern})(\s*)")


def name_of(argument):
    return argument.partition("=")[0]


def spelled(arguments):
    """Return the arguments as the kernel reads them."""
    return [f"{name}={value}" if value != "" else name for name, value in arguments.items()]


def without(line, names):
    """Return the command line without the arguments of these names, the others byte for byte as they are."""
    kept = WORD.sub(lambda word: "" if name_of(word[1]) in names else word[0], line)
    return kept if kept == line else kept.rstrip()


def merge(line, arguments):
    """Return the command line with the arguments: in place where the name is there, else at the end."""
    wanted, done = dict(zip(arguments, spelled(arguments), strict=True)), set()

    def put(word):
        name = name_of(word[1])
        if name not in wanted:
            return word[0]
        again = name in done
        done.add(name)
        return "" if again else wanted[name] + word[2]

    merged = WORD.sub(put, line).strip()
    return " ".join(filter(None, [merged, *(word for name, word in wanted.items() if name not in done)]))


def missing(line, arguments):
    """Return the arguments that a command line lacks, or carries beside another value of the same name."""
    words = ARGUMENT.findall(line)
    return [w for w in spelled(arguments) if [word for word in words if name_of(word) == name_of(w)] != [w]]


def first_linux_line(grub_cfg):
    """Return the arguments of the entry that boots by default: those of the first linux line."""
    for line in (grub_cfg or "").splitlines():
        words = line.split(None, 2)
        if words and words[0] in ("linux", "linuxefi", "linux16"):
            return words[2] if len(words) > 2 else ""
    return ""


def drop_in(arguments):
    """Return GRUB's drop-in. The kernel honors both of two values of a name, so the other is taken out.

    None, so no file, without arguments.
    """
    if not arguments:
        return None
    names = " | ".join(f"{shell(name)} | {shell(name)}=*" for name in arguments)
    ours = shell(" ".join(spelled(arguments)))
    return f"""\
# Written by glmprov. Values that other files give to the same arguments are taken out.
glmprov_without_ours() {{
    for glmprov_argument in $1; do
        case $glmprov_argument in {names}) ;; *) printf '%s ' "$glmprov_argument" ;; esac
    done
}}
GRUB_CMDLINE_LINUX="$(set -f; glmprov_without_ours "$GRUB_CMDLINE_LINUX")"
GRUB_CMDLINE_LINUX_DEFAULT="$(set -f; glmprov_without_ours "$GRUB_CMDLINE_LINUX_DEFAULT")"{ours}
"""


def shell(word):
    return "'" + word.replace("'", "'\\''") + "'"


def through_grub(module, arguments):
    update = module.get_bin_path("update-grub") or module.get_bin_path("grub2-mkconfig")
    change = file_change(GRUB_DROP_IN, drop_in(arguments), 0o644)
    lacking = missing(first_linux_line(read_text(GRUB_CFG)), arguments)
    diffs = [change] if change else []
    if lacking and not change:
        diffs.append(difference(GRUB_CFG, "", "".join(word + "\n" for word in lacking)))
    if diffs and not module.check_mode:
        if change and arguments:
            write_text(GRUB_DROP_IN, drop_in(arguments))
        elif change:
            os.unlink(GRUB_DROP_IN)
        run(module, [update] if update and update.endswith("update-grub") else [update, "-o", GRUB_CFG])
        lacking = missing(first_linux_line(read_text(GRUB_CFG)), arguments)
        if lacking:
            module.fail_json(
                msg=f"{GRUB_CFG} still lacks {' '.join(lacking)} after update-grub; see {GRUB_DROP_IN}"
            )
    return diffs


def through_cmdline(module, arguments, gone):
    before = read_text(CMDLINE) or ""
    after = without(before.rstrip("\n"), gone)
    if missing(after, arguments):
        after = merge(after, arguments)
    if after == before.rstrip("\n"):
        return []
    after += "\n"
    if not module.check_mode:
        write_text(CMDLINE, after)
        if module.get_bin_path("proxmox-boot-tool"):
            run(module, ["proxmox-boot-tool", "refresh"])
        elif module.get_bin_path("kernel-install"):
            for image in sorted(glob.glob("/boot/vmlinuz-*")):
                run(module, ["kernel-install", "add", image.partition("vmlinuz-")[2], image])
    return [difference(CMDLINE, before, after)]


def run(module, command):
    rc, out, err = module.run_command(command)
    if rc:
        module.fail_json(msg=f"{' '.join(command)}: {(err or out).strip()}")


def bring_about(module, arguments, gone):
    """Write the arguments to where this host's boot loader takes them from. Return the diffs."""
    if os.path.exists(GRUB_CFG) or os.path.exists("/etc/default/grub"):
        return through_grub(module, arguments) if module.params["grub"] else []
    if os.path.exists(CMDLINE):
        return through_cmdline(module, arguments, gone)
    if arguments:
        module.fail_json(
            msg=f"neither GRUB nor {CMDLINE} is there, so the kernel's arguments can't be set: "
            f"add {' '.join(spelled(arguments))} yourself, or set host_tuning_kernel_arguments: {{}}"
        )
    return []


def main():
    module = AnsibleModule(
        argument_spec={
            "arguments": {"type": "dict", "required": True},
            "grub": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    given = module.params["arguments"]
    arguments = {name: str(value) for name, value in given.items() if value is not None}
    gone = {name for name, value in given.items() if value is None}
    try:
        diffs = bring_about(module, arguments, gone)
    except OSError as error:
        module.fail_json(msg=why(error))
    module.exit_json(changed=bool(diffs), diff=diffs)


if __name__ == "__main__":
    main()
