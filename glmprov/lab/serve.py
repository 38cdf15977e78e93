"""The fleet's servers, and its first process: it makes the network namespace that all others enter.

Run as `python -m glmprov.lab.serve PLACES`, a JSON object: serves packages, container images and models by HTTPS on the
bridge, to each node with the faults that it has.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from glmprov.lab import hub, namespaces, network, package_faults, registry, tls_server
from glmprov.lab.authority import FILES_NAME
from glmprov.lab.processes import say_ready
from glmprov.lab.tls_server import TlsServer


@dataclass(frozen=True)
class Places:
    """Where everything lies that is served, and what is wrong with it for whom."""

    packages: str
    package_faults: str
    authority: str
    registry_program: str
    registry_storage: str
    models: str
    service_faults: str
    scratch: str

    def __str__(self) -> str:
        return json.dumps(asdict(self))


class _Files(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *connection: object, faults: Path, directory: str) -> None:
        self._folder = faults
        super().__init__(*connection, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer, as far as the faults let it through."""
        faults = package_faults.load(self._faults)
        time.sleep(faults.slow_ms / 1000)
        # A fault that is mended brings back an older file, which must not be taken for an unchanged one.
        del self.headers["If-Modified-Since"]
        if Path(self.path).name.partition("_")[0] in faults.lost:
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            super().do_GET()

    def translate_path(self, path: str) -> str:
        """Return the file of a path, the node's own where it has one."""
        own = package_faults.replacement(self._faults, path)
        return str(own) if own else super().translate_path(path)

    @property
    def _faults(self) -> Path:
        return self._folder / self.client_address[0]

    def address_string(self) -> str:
        return str(self.client_address[0])


def main(described: str) -> None:
    """Make the fleet's network and serve until killed."""
    places = Places(**json.loads(described))
    namespaces.unshare(namespaces.NEW_NETWORK)
    network.make_bridge()
    context = tls_server.context(Path(places.authority))
    faults = Path(places.service_faults)
    models = partial(hub.Hub, models=Path(places.models), elsewhere=f"https://{FILES_NAME}", faults=faults)
    files = partial(_Files, faults=Path(places.package_faults), directory=places.packages)
    TlsServer(network.GATEWAY, context, files).start()
    TlsServer(network.HUB, context, models).start()
    say_ready()
    # Nodes ask for images long after their boot, which needn't wait for it.
    scratch = Path(places.scratch)
    running = registry.start(
        Path(places.registry_program), Path(places.registry_storage), scratch, registry.PORT, read_only=True
    )
    TlsServer(network.REGISTRY, context, partial(registry.Registry, faults=faults)).start()
    running.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
