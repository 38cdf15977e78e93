"""The lab's certificate authority and the certificate of its servers. Only lab nodes trust it."""

from __future__ import annotations

from pathlib import Path

from glmprov.lab.machine import run

SERVER_NAME = "packages.glmprov.lab"
REGISTRY_NAME = "registry.glmprov.lab"
HUB_NAME = "hub.glmprov.lab"
FILES_NAME = "hub-files.glmprov.lab"
"""Where the hub sends a client for large files: the real one keeps them elsewhere, and clients count on that."""
_TEN_YEARS_DAYS = "3650"


def ensure(cache: Path) -> Path:
    """Return the directory with ca.crt, servers.crt and servers.key, made on the first call."""
    directory = cache / "authority"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (directory / "ca.crt").exists():
        ca = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
        _certificate(directory / "ca", "glmprov lab", ca)
    if not (directory / "servers.crt").exists():
        names = (SERVER_NAME, REGISTRY_NAME, HUB_NAME, FILES_NAME)
        server = (
            "subjectAltName=" + ",".join(f"DNS:{name}" for name in names),
            "basicConstraints=CA:FALSE",
            "extendedKeyUsage=serverAuth",
        )
        signer = ("-CA", str(directory / "ca.crt"), "-CAkey", str(directory / "ca.key"))
        _certificate(directory / "servers", SERVER_NAME, server, *signer)
    return directory


def _certificate(stem: Path, subject: str, extensions: tuple[str, ...], *signer: str) -> None:
    # The certificate's file name comes last, so that a half-made one is never taken for a whole one.
    part = stem.with_suffix(".part")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", f"/CN={subject}", "-days", _TEN_YEARS_DAYS]
    command += [word for extension in extensions for word in ("-addext", extension)]
    command += [*signer, "-keyout", str(stem.with_suffix(".key")), "-out", str(part)]
    run(command)
    part.rename(stem.with_suffix(".crt"))
