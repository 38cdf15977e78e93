"""The names of a driver's packages, and by their versions whose they are."""

from __future__ import annotations

import re
from collections.abc import Mapping

FAMILY = re.compile(
    r"(?!.*(container|pinning))((lib)?nvidia-|libcuda(debugger)?1$|libnv(cuvid|optix)1$|cuda-drivers|"
    r"linux-(modules|objects|signatures)-nvidia-|xserver-xorg-video-nvidia|firmware-nvidia-)"
)
"""Packages that are one driver, in NVIDIA's names and in Ubuntu's. The role holds the same ones."""
KERNEL_META = re.compile(
    r"linux-(image-|headers-)?(cloud-|rt-)?(amd64|generic|virtual|lowlatency|nvidia|oem|aws|azure|gcp|oracle)"
    r"(-64k|-hwe|-edge|-\d+\.\d+)*"
)
"""Packages that pull the next kernel in: linux-image-amd64, linux-generic-hwe-24.04, …"""


def source_of(versions: Mapping[str, str]) -> str | None:
    """Given packages with their versions, return whose driver is among them: "ubuntu", "nvidia", None if none is.

    Ubuntu's archive numbers its versions by release.
    """
    driver = [version for name, version in versions.items() if FAMILY.match(name)]
    archive = any(re.search(r"-0ubuntu0\.\d", version) for version in driver)
    return "ubuntu" if archive else "nvidia" if driver else None
