"""What `endpoint` shows."""

from __future__ import annotations

from dataclasses import dataclass

from glmprov.errors import GlmprovError


@dataclass(frozen=True)
class HostEndpoint:
    """Where one instance serves; no key is in it.

    model is the name that a request gives. address is how others reach the host, listen where the engine listens there.
    metrics: whether it serves /metrics, None where nobody knows. active is systemd's word; healthy is the engine's own
    answer just now, None where it has no /health that we know of.
    """

    host: str
    name: str
    recipe: str = ""
    engine: str = ""
    model: str = ""
    address: str = ""
    listen: str = ""
    port: int = 0
    gpus: int = 0
    key_file: str | None = None
    metrics: bool | None = None
    active: str = ""
    healthy: bool | None = None
    error: GlmprovError | None = None

    @property
    def local(self) -> bool:
        """Whether only the host itself reaches it."""
        return self.listen in ("localhost", "::1") or self.listen.startswith("127.")

    @property
    def serves(self) -> bool:
        """Whether it takes requests: its unit is up, which takes tokens, and the engine doesn't say otherwise."""
        return self.active == "active" and self.healthy is not False

    @property
    def target(self) -> str:
        """Address and port, as others write them."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"
