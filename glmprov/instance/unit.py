"""An instance → its systemd unit. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from glmprov.instance.container import DOCKER, docker_argv
from glmprov.instance.files import environment_path, gate_path
from glmprov.instance.model import GATE_PROGRAM, UNIT_PREFIX, Instance
from glmprov.instance.quoting import exec_line, exec_lines, unit_value
from glmprov.instance.ranges import ranges
from glmprov.instance.started import key_rendering, started

BEFORE = ("nvidia-persistenced.service", "glmprov-gpu-power.service", "glmprov-host-tuning.service")
"""What sets the cards and PCIe; pulled in, and waited for."""

STARTS = 3
"""So many starts in a row may fail; then a person must look."""
RESTART_SECONDS = 10
_HOMES = ("/home/", "/root/", "/run/user/")
"""What ProtectHome hides (systemd.exec)."""
MARGIN_SECONDS = 60
"""What systemd waits beyond the gate's own deadline and the engine's own stop: those should be what ends."""


def unit_text(instance: Instance) -> str:
    """Return the text of the instance's unit."""
    sections = {"Unit": _unit(instance), "Service": _service(instance), "Install": _install()}
    body = "\n".join(
        f"[{name}]\n" + "".join(f"{line}\n" for line in lines) for name, lines in sections.items()
    )
    return f"# Written by glmprov. Deploy again instead of editing it.\n{body}"


def venv_argv(instance: Instance) -> tuple[str, ...]:
    """Return the command of an instance that runs from a virtual environment."""
    launch = started(instance)
    first, *rest = launch.argv()
    return (f"{instance.venv}/bin/{first}", *rest)


def argv(instance: Instance) -> tuple[str, ...]:
    """Return the command that the unit starts."""
    return docker_argv(instance) if instance.image else venv_argv(instance)


def _unit(instance: Instance) -> Iterator[str]:
    after = ("network-online.target", *(["docker.service"] if instance.image else []), *BEFORE)
    yield f"Description={unit_value(f'{instance.served_name} by {instance.recipe}, port {instance.port}')}"
    yield f"After={' '.join(after)}"
    yield f"Wants=network-online.target {' '.join(BEFORE)}"
    if instance.image:
        yield "Requires=docker.service"
    # Long enough for so many starts that use up their whole time.
    longest = instance.gate.start_seconds + instance.stop_seconds + RESTART_SECONDS + MARGIN_SECONDS
    yield f"StartLimitIntervalSec={(STARTS + 1) * longest}"
    yield f"StartLimitBurst={STARTS}"


def _service(instance: Instance) -> Iterator[str]:
    yield "Type=exec"
    if instance.image:
        # What a crash of Docker or of its client left behind.
        yield f"ExecStartPre=-{exec_line((DOCKER, 'rm', '--force', instance.container))}"
    else:
        yield from _confined(instance)
    yield f"ExecStart={exec_lines(argv(instance))}"
    yield f"ExecStartPost={exec_line((GATE_PROGRAM, gate_path(instance)))}"
    if instance.image:
        yield f"ExecStop={exec_line((DOCKER, 'stop', '--time', str(instance.stop_seconds), instance.container))}"
        yield f"ExecStopPost=-{exec_line((DOCKER, 'rm', '--force', instance.container))}"
        yield "SuccessExitStatus=143"
    yield "Restart=on-failure"
    yield f"RestartSec={RESTART_SECONDS}"
    # For each command apart; the gate has a deadline of its own.
    yield f"TimeoutStartSec={instance.gate.start_seconds + MARGIN_SECONDS}"
    yield f"TimeoutStopSec={instance.stop_seconds + MARGIN_SECONDS // 2}"


def _confined(instance: Instance) -> Iterator[str]:
    """Yield what a container gets by Docker's arguments: environment, binding, limits, confinement."""
    cache = f"glmprov/{instance.name}"
    yield f"EnvironmentFile={environment_path(instance)}"
    rendering = key_rendering(instance)
    if rendering is not None and rendering.environment:
        yield f"EnvironmentFile={rendering.path}"
    if instance.cpus:
        yield f"CPUAffinity={ranges(instance.cpus).replace(',', ' ')}"
    if instance.nodes:
        yield "NUMAPolicy=bind"
        yield f"NUMAMask={ranges(instance.nodes).replace(',', ' ')}"
    yield "LimitMEMLOCK=infinity"
    yield "LimitSTACK=67108864"
    yield "LimitNOFILE=1048576"
    yield f"CacheDirectory={cache}"
    yield f"WorkingDirectory=/var/cache/{cache}"
    yield f"SyslogIdentifier={UNIT_PREFIX}{instance.name}"
    yield "NoNewPrivileges=yes"
    yield "ProtectSystem=strict"
    yield from _homes(instance)
    yield "PrivateTmp=yes"
    yield f"ReadOnlyPaths={exec_line((instance.weights.folder,))}"


def _homes(instance: Instance) -> Iterator[str]:
    """Hide people's folders, but for what of the engine lies in one."""
    ours = [path for path in (instance.venv, instance.weights.folder) if path and path.startswith(_HOMES)]
    yield f"ProtectHome={'tmpfs' if ours else 'yes'}"
    if ours:
        yield f"BindReadOnlyPaths={exec_line(ours)}"


def _install() -> Iterator[str]:
    yield "WantedBy=multi-user.target"
