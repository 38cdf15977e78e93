"""Files of ours against what was written. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from glmprov.drift.difference import Difference, Verdict
from glmprov.observation import Observation
from glmprov.state import Manage, Modes, Unknown

FILES: tuple[tuple[str, tuple[str, tuple[str, ...]]], ...] = (
    ("/etc/glmprov/gpu-power.conf", ("gpu_power", ("limit_watts",))),
    ("/etc/glmprov/host-tuning.conf", ("host_tuning", ("cpu_governor", "acs_disabled"))),
    ("/etc/glmprov/nccl.env", ("nccl_env", ("env",))),
    ("/etc/modprobe.d/glmprov.conf", ("host_tuning", ("module_options",))),
    ("/etc/modprobe.d/glmprov-nouveau.conf", ("gpu_driver", ("nouveau_blocked",))),
    ("/etc/sysctl.d/90-glmprov.conf", ("host_tuning", ("sysctl",))),
    ("/etc/security/limits.d/90-glmprov.conf", ("host_tuning", ("limits",))),
    ("/etc/default/grub.d/90-glmprov.cfg", ("host_tuning", ("kernel_arguments",))),
    ("/etc/apt/apt.conf.d/51glmprov-driver", ("gpu_driver", ("automatic_upgrades_blocked",))),
    ("/etc/apt/preferences.d/glmprov-driver", ("gpu_driver", ("pinned",))),
    ("/etc/apt/*/glmprov-nvidia*", ("gpu_driver", ())),
    ("/etc/apt/*/glmprov-toolkit*", ("container_engine", ())),
    ("*glmprov*gpu-power*", ("gpu_power", ())),
    ("*glmprov*host-tuning*", ("host_tuning", ())),
    ("*glmprov*device-links*", ("container_engine", ())),
)
"""Files that are ours alone: by pattern, first match wins, their section and the fields that they carry."""


def compare_files(
    observation: Observation,
    values: Collection[Difference] = (),
    before: Mapping[str, str | None] | None = None,
    modes: Modes | None = None,
) -> tuple[Difference, ...]:
    """Return the files of ours that aren't as they were written, where values don't tell it already.

    The key is "section.files[path]". Files shared with others (daemon.json) are judged by values only. before
    are the sums at the start of a run that applies: what has changed since then, the run has written. A file may be
    enforced if anything in it may; values tell of it, ignored ones too.
    """
    receipt = observation.receipt
    if receipt is None or isinstance(receipt, Unknown):
        return ()
    declared = (d.key for d in values if not d.key.endswith(".effective"))
    told = {key.partition("[")[0].removesuffix(".declared") for key in declared}
    found = []
    for path, written in receipt.files.items():
        section, carried = owner_of(path)
        current = observation.files.get(path, "")
        if section is None or current == written or any(f"{section}.{name}" in told for name in carried):
            continue
        if before is not None and current != before.get(path, ""):
            continue
        difference = Difference(
            observation.host,
            f"{section}.files[{path}]",
            f"sha256 {written[:12]}",
            None,
            Verdict.DRIFT,
            manage=_mode(section, carried, modes or Modes()),
        )
        if current is None:
            reason = "it can't be read, or is a link"
            found.append(
                replace(difference, observed=Unknown(reason), verdict=Verdict.UNKNOWN, reason=reason)
            )
        elif current == "":
            found.append(replace(difference, reason=f"gone since {receipt.written_at}"))
        else:
            reason = f"edited since {receipt.written_at}"
            found.append(replace(difference, observed=f"sha256 {current[:12]}", reason=reason))
    return tuple(found)


def written(observation: Observation, before: Mapping[str, str | None]) -> Mapping[str, str]:
    """Return the sums of our files for the receipt: of a file that somebody else changed, what the receipt said.

    before are the sums at the start of the run: what has changed since then, the run has written. A file that was
    edited and that no role wrote since, or that can't be read, goes on being drift.
    """
    receipt = observation.receipt
    recorded = {} if receipt is None or isinstance(receipt, Unknown) else receipt.files
    found = {}
    for path in {**recorded, **observation.files}:
        now, old = observation.files.get(path, ""), recorded.get(path)
        is_theirs = owner_of(path)[0] is not None and old is not None and now in (None, before.get(path, ""))
        if kept := old if is_theirs else now:
            found[path] = kept
    return found


def _mode(section: str, carried: tuple[str, ...], modes: Modes) -> Manage:
    """Return what may be done with a file: the most that may be done with a field in it."""
    said = {modes.of(f"{section}.{name}") for name in carried} or {modes.of(section)}
    return next(mode for mode in Manage if mode in said)


def owner_of(path: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the section that a file of ours belongs to, and the fields whose values it carries."""
    return next((owner for pattern, owner in FILES if fnmatchcase(path, pattern)), (None, ()))
