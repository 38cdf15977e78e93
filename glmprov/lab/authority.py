"""The lab's certificate authority and the package server's certificate. Only lab nodes trust it."""

from __future__ import annotations

from pathlib import Path

from glmprov.lab.machine import run

SERVER_NAME = "packages.glmprov.lab"
_TEN_YEARS_DAYS = "3650"


def ensure(cache: Path) -> Path:
    """Return the directory with ca.crt, server.crt and server.key, made on the first call."""
    directory = cache / "authority"
    if not (directory / "server.crt").exists():
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _certificate(
            directory / "ca", "glmprov lab", ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
        )
        _certificate(
            directory / "server",
            SERVER_NAME,
            (f"subjectAltName=DNS:{SERVER_NAME}", "basicConstraints=CA:FALSE", "extendedKeyUsage=serverAuth"),
            "-CA", str(directory / "ca.crt"), "-CAkey", str(directory / "ca.key"),
        )  # fmt: skip
    return directory


def _certificate(stem: Path, subject: str, extensions: tuple[str, ...], *signer: str) -> None:
    added = [word for extension in extensions for word in ("-addext", extension)]
    # The file name of the certificate comes last, so a half-made one is never taken for a whole one.
    part = stem.with_suffix(".part")
    run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        + ["-subj", f"/CN={subject}", "-days", _TEN_YEARS_DAYS, *added, *signer]
        + ["-keyout", str(stem.with_suffix(".key")), "-out", str(part)]
    )
    part.rename(stem.with_suffix(".crt"))
