"""The same items for pyinfra: what tasks.yml does, where nothing is to be done. Run with --data wanted=FOLDER."""

from pyinfra import host
from pyinfra.facts.server import Command
from pyinfra.operations import apt, files, server, systemd

WANTED = f"{host.data.wanted}/{host.name}"

FILES = {
    "/etc/apt/sources.list.d/glmprov-toolkit.sources": "644",
    "/etc/apt/keyrings/glmprov-toolkit.asc": "644",
    "/etc/apt/sources.list.d/glmprov-nvidia.sources": "644",
    "/etc/apt/keyrings/glmprov-nvidia.asc": "644",
    "/etc/apt/apt.conf.d/51glmprov-driver": "644",
    "/etc/modprobe.d/glmprov-nouveau.conf": "644",
    "/etc/modprobe.d/glmprov.conf": "644",
    "/etc/sysctl.d/90-glmprov.conf": "644",
    "/etc/security/limits.d/90-glmprov.conf": "644",
    "/etc/default/grub.d/90-glmprov.cfg": "644",
    "/etc/glmprov/host-tuning.conf": "644",
    "/etc/glmprov/gpu-power.conf": "644",
    "/etc/glmprov/nccl.env": "644",
    "/usr/local/lib/glmprov/host-tuning": "755",
    "/usr/local/lib/glmprov/gpu-power": "755",
    "/etc/systemd/system/glmprov-host-tuning.service": "644",
    "/etc/systemd/system/glmprov-gpu-power.service": "644",
    "/etc/systemd/system/glmprov-device-links.service": "644",
    "/etc/docker/daemon.json": "644",
}
PACKAGES = (
    ("nvidia-driver-pinning-580", "nvidia-driver-cuda", "nvidia-kernel-open-dkms"),
    ("docker.io", "nvidia-container-toolkit"),
)
HELD = (
    "libcuda1",
    "libnvidia-ml1",
    "linux-headers-6.1.0-48-amd64",
    "linux-image-6.1.0-48-amd64",
    "linux-image-amd64",
    "nvidia-driver-cuda",
    "nvidia-kernel-open-dkms",
    "nvidia-kernel-support",
    "nvidia-modprobe",
    "nvidia-persistenced",
)
UNITS = (
    "nvidia-persistenced.service",
    "glmprov-host-tuning.service",
    "glmprov-device-links.service",
    "glmprov-gpu-power.service",
    "docker.service",
)
BRIDGES = "0000:00:01.1 0000:40:01.1 0000:80:01.1 0000:c0:01.1"
CHECKS = {
    "sysctl -n vm.swappiness": "0",
    "cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor | sort -u": "performance",
    f"for bridge in {BRIDGES}; do setpci -s $bridge ECAP_ACS+6.w; done | sort -u": "0000",
    "nvidia-smi --query-gpu=power.limit,persistence_mode --format=csv,noheader,nounits | sort -u": "400.00, Enabled",
}
"""What has no operation: a command, and what it prints where all is well."""

for path, mode in FILES.items():
    files.put(name=path, src=WANTED + path, dest=path, user="root", group="root", mode=mode)
for packages in PACKAGES:
    apt.packages(name=" ".join(packages), packages=list(packages), update=False)
for package in HELD:
    if host.get_fact(Command, f"dpkg-query -W -f '${{db:Status-Want}}' {package}") != "hold":
        server.shell(name=f"hold {package}", commands=[f"apt-mark hold {package}"])
for unit in UNITS:
    systemd.service(name=unit, service=unit, running=True, enabled=True)
for command, said in CHECKS.items():
    if host.get_fact(Command, command) != said:
        server.shell(name=command, commands=["false"])
