"""The simulated driver in Ubuntu's package names: the archive's, and those of NVIDIA's repository for Ubuntu.

The archive names the branch and "server"; NVIDIA named the branch up to 580 and names none from 590 on, where a
pinning package keeps it. Names and relations: packages.ubuntu.com
(nvidia-graphics-drivers-580-server, linux-restricted-modules) and the "Recent Updates" of NVIDIA's Driver
Installation Guide r590.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from glmprov.lab import driver_packages as nvidia
from glmprov.lab.deb import Content, Deb
from glmprov.lab.driver_packages import LIBRARIES, VERSIONS, program

_SUFFIXES = ("-580", "-580-server", "-595-server")
"""What packages with a branch in their name have behind a stem."""


@dataclass(frozen=True)
class Scheme:
    """How packages of one driver version are named: what is put behind a stem ("-580-server"), and the revision."""

    version: str
    branch_suffix: str
    revision: str

    @property
    def debian(self) -> str:
        """The packages' version."""
        return f"{self.version}-{self.revision}"

    def name(self, stem: str) -> str:
        """Return a package's name; the branch comes before "-open"."""
        bare = stem.removesuffix("-open")
        return f"{bare}{self.branch_suffix}{'-open' if bare != stem else ''}"

    def same(self, *stems: str) -> str:
        """Return a dependency on packages of this very version."""
        return ", ".join(f"{self.name(stem)} (= {self.debian})" for stem in stems)

    def package(
        self,
        stem: str,
        summary: str,
        *,
        depends: str = "",
        provides: str = "",
        conflicts: str = "",
        section: str = "restricted",
        files: Mapping[str, Content] | None = None,
        links: Mapping[str, str] | None = None,
        scripts: Mapping[str, str] | None = None,
    ) -> Deb:
        """Return a package that drives out those of other branches and names."""
        # Names with a branch share a virtual name without one, which only one of them may provide.
        virtual = stem if self.branch_suffix else ""
        rivals = virtual or _listed(*(Scheme("", suffix, "").name(stem) for suffix in _SUFFIXES))
        relations = {
            "Depends": depends,
            "Provides": _listed(virtual, provides),
            "Conflicts": _listed(rivals, conflicts),
            "Replaces": rivals,
        }
        return Deb(
            self.name(stem),
            self.debian,
            summary,
            section=section,
            source=f"nvidia-graphics-drivers{self.branch_suffix}",
            relations=relations,
            files=files or {},
            links=links or {},
            scripts=scripts or {},
        )


def _listed(*names: str) -> str:
    return ", ".join(filter(None, names))


def archive_scheme(version: str) -> Scheme:
    """Return Ubuntu's names for a driver version of the server series."""
    return Scheme(version, f"-{branch(version)}-server", "0ubuntu0.24.04.1")


def nvidia_scheme(version: str) -> Scheme:
    """Return the names of NVIDIA's repository for Ubuntu."""
    return Scheme(version, f"-{branch(version)}" if int(branch(version)) < 590 else "", "1ubuntu1")


def branch(version: str) -> str:
    """Return "580" of "580.95.05"."""
    return version.partition(".")[0]


def archive() -> list[Deb]:
    """Return the userland of Ubuntu's archive, with the names of a branch that is only transitional."""
    found = [deb for version in VERSIONS for deb in _driver(archive_scheme(version))]
    last = archive_scheme(VERSIONS[-1])
    found += [nvidia.modprobe(last.debian)]
    stems = ("libnvidia-compute", "nvidia-utils", "nvidia-compute-utils", "nvidia-headless-no-dkms-open")
    gone = Scheme(last.version, "-590-server", last.revision)
    return [*found, *(_transitional(gone.name(stem), last.debian, last.name(stem)) for stem in stems)]


def repository() -> list[Deb]:
    """Return what NVIDIA's repository for Ubuntu holds."""
    found = []
    for version in VERSIONS:
        scheme = nvidia_scheme(version)
        found += [*_driver(scheme), nvidia.modprobe(scheme.debian)]
        if not scheme.branch_suffix:
            found.append(nvidia.persistenced(scheme.debian, scheme.same("libnvidia-compute")))
    names = ("nvidia-*", "libnvidia-*")
    return [*found, *(nvidia.pinning(number, names) for number in nvidia.BRANCHES)]


def modules(kernels: dict[str, str]) -> Iterator[Deb]:
    """Yield Ubuntu's prebuilt, signed modules for kernels {release: version}, and what follows the newest kernel.

    A kernel's packages get "+1" behind their version when they are built for a newer driver of the branch.
    """
    for number in nvidia.BRANCHES:
        for build, version in enumerate(v for v in VERSIONS if branch(v) == number):
            for release, kernel in kernels.items():
                yield from _prebuilt(
                    archive_scheme(version), release, kernel + (f"+{build}" if build else "")
                )
    for release, kernel in kernels.items():
        yield Deb(f"linux-signatures-nvidia-{release}", kernel, "Signatures of modules", section="kernel")
        name = "linux-modules-nvidia-{}-server-open-generic"
        yield _transitional(name.format(590), kernel, name.format(595))


def _prebuilt(scheme: Scheme, release: str, kernel: str) -> Iterator[Deb]:
    series = scheme.branch_suffix.removeprefix("-") + "-open"
    name, objects = f"linux-modules-nvidia-{series}-{release}", f"linux-objects-nvidia-{series}-{release}"
    common = scheme.name("nvidia-kernel-common")
    userland = f"{common} (<= {scheme.version}-1), {common} (>= {scheme.version})"
    folder = f"kernel/nvidia-{branch(scheme.version)}srv-open"
    yield Deb(
        name,
        kernel,
        f"NVIDIA modules of {series} for Linux {release}, signed",
        section="restricted/kernel",
        source="linux-restricted-modules",
        relations={
            "Depends": f"linux-image-{release}, {objects} (= {kernel}), linux-signatures-nvidia-{release}, "
            f"{userland}",
            "Provides": f"nvidia-dkms-{series}, nvidia-prebuilt-kernel",
        },
        scripts={
            "postinst": f"/opt/glmlab/bin/make-modules {release} {folder} {scheme.version}\n",
            "prerm": f"/opt/glmlab/bin/make-modules {release} {folder}\n",
        },
    )
    yield Deb(objects, kernel, f"Objects of the modules for Linux {release}", section="restricted/kernel")
    yield Deb(
        f"linux-modules-nvidia-{series}-generic",
        kernel,
        f"NVIDIA modules of {series} for the newest kernel, now {release}",
        section="restricted/kernel",
        source="linux-restricted-modules",
        relations={"Depends": f"{name} (= {kernel}), {userland}"},
    )


def _transitional(name: str, version: str, successor: str) -> Deb:
    return Deb(
        name,
        version,
        "Dummy transitional package",
        section="oldlibs",
        relations={"Depends": successor},
    )


def _driver(scheme: Scheme) -> Iterator[Deb]:
    version, bare = scheme.version, not scheme.branch_suffix
    common = f"nvidia-kernel-common{scheme.branch_suffix}-{version}"
    yield scheme.package("libnvidia-cfg1", "NVIDIA binary configuration library", section="libs")
    yield scheme.package("nvidia-firmware", "Firmware of the kernel module")
    yield scheme.package(
        "nvidia-kernel-common",
        "Shared files used with the kernel module",
        depends=scheme.same("nvidia-firmware") + ", nvidia-modprobe",
        provides=common,
        files={"/lib/modprobe.d/nvidia-graphics-drivers.conf": Content(nvidia.NOUVEAU)},
    )
    smi = {"/usr/bin/nvidia-smi": program("nvidia-smi")}
    libraries = {
        f"{LIBRARIES}/{stem}.so.{version}": Content(
            nvidia.shared_library(f"{source}.c", f"{stem}.so.1", version)
        )
        for stem, source in (("libnvidia-ml", "nvml"), ("libcuda", "cuda"))
    }
    yield scheme.package(
        "libnvidia-compute",
        "NVIDIA libcompute package",
        section="libs",
        depends=f"libc6, python3, {common}",
        files={**libraries, **(smi if bare else {})},
        links={f"{LIBRARIES}/{stem}.so.1": f"{stem}.so.{version}" for stem in ("libnvidia-ml", "libcuda")},
        scripts={"postinst": "ldconfig\n", "postrm": "ldconfig\n"},
    )
    yield from _module_source(scheme)
    if bare:
        return
    yield scheme.package(
        "nvidia-utils",
        "NVIDIA driver support binaries",
        depends=f"{scheme.same('libnvidia-compute')}, {common}, python3",
        files=smi,
    )
    yield scheme.package(
        "nvidia-compute-utils",
        "NVIDIA compute utilities",
        depends=f"{scheme.same('libnvidia-compute')}, python3",
        files=nvidia.daemon(),
        scripts=nvidia.DAEMON_SCRIPTS,
    )
    parts = scheme.same("libnvidia-cfg1", "libnvidia-compute", "nvidia-compute-utils", "nvidia-kernel-common")
    source = scheme.same("nvidia-kernel-source-open")
    metas = {"nvidia-headless-no-dkms-open": source, "nvidia-headless-open": scheme.same("nvidia-dkms-open")}
    for stem, kernel in metas.items():
        yield scheme.package(stem, "NVIDIA headless metapackage", depends=f"{parts}, {kernel}")


def _module_source(scheme: Scheme) -> Iterator[Deb]:
    """Yield module source and dkms package of both flavors; only one flavor may be there."""
    for end, other in (("-open", ""), ("", "-open")):
        yield scheme.package(
            f"nvidia-kernel-source{end}",
            "Source of the kernel modules",
            conflicts=scheme.name(f"nvidia-kernel-source{other}"),
            section="restricted/kernel",
            files=nvidia.module_source(scheme.version, end == "-open"),
        )
        yield scheme.package(
            f"nvidia-dkms{end}",
            "Kernel modules, built for each kernel that has headers",
            depends="dkms, " + scheme.same(f"nvidia-kernel-source{end}", "nvidia-kernel-common"),
            conflicts=scheme.name(f"nvidia-dkms{other}"),
            section="restricted/kernel",
            scripts=nvidia.build_scripts(scheme.version),
        )
