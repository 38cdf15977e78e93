"""What a registry holds under a digest, asked by the host as its Docker would: layers, sizes, the image's own id.

Docker's API doesn't tell it before a pull. Where the registry doesn't tell us either (a login that only Docker knows,
a proxy), the answer is a reason and no fault: the pull itself may still work.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from glmprov.operate.payload.daemon import get
from glmprov.operate.payload.fetching import docker_opener
from glmprov.operate.payload.images import resolve
from glmprov.operate.payload.logins import DOCKER_HUB, login

DOCKER_HUB_REGISTRY = "https://registry-1.docker.io"
KINDS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
LARGEST_MANIFEST_BYTES = 8 << 20
ASK_SECONDS = 30.0


def resolve_whole(orders: dict[str, Any]) -> Any:
    """Return what Docker resolves a name to, with what its manifest says, or why that can't be read."""
    found = resolve(orders)
    info = get(orders, "/info")
    about = {
        "os": info["OSType"],
        "architecture": ARCHITECTURES.get(info["Architecture"], info["Architecture"]),
    }
    digest = found["Descriptor"]["digest"]
    why = "no registry answered"
    for base in bases(orders["registry"], info):
        try:
            return {**found, "platform": about, "manifest": manifest(base, orders, digest, about)}
        except (OSError, ValueError, KeyError, StopIteration) as error:
            why = f"{base}: {error}"
    return {**found, "platform": about, "manifest": None, "why": why}


def bases(registry: str, info: dict[str, Any]) -> Iterator[str]:
    """Yield where a registry may be asked: Docker's mirrors of docker.io first, plain HTTP where Docker may."""
    known = info.get("RegistryConfig") or {}
    if registry == DOCKER_HUB:
        yield from (mirror.rstrip("/") for mirror in known.get("Mirrors") or ())
        yield DOCKER_HUB_REGISTRY
        return
    yield "https://" + registry
    entry = (known.get("IndexConfigs") or {}).get(registry, {})
    local = re.match(r"(localhost|127\.[0-9.]+|\[::1\])(:\d+)?$", registry)
    if local or entry.get("Secure") is False:
        yield "http://" + registry


def manifest(base: str, orders: dict[str, Any], digest: str, about: dict[str, str]) -> dict[str, Any]:
    """Return layers, their bytes and the configuration's digest, of the image for this platform."""
    found = fetch(base, orders, digest)
    chosen = digest
    if "manifests" in found:
        chosen = next(
            each["digest"]
            for each in found["manifests"]
            if {key: each.get("platform", {}).get(key) for key in about} == about
        )
        found = fetch(base, orders, chosen)
    return {
        "digest": chosen,
        "config": found["config"]["digest"],
        "layers": len(found["layers"]),
        "bytes": sum(layer["size"] for layer in found["layers"]),
    }


def fetch(base: str, orders: dict[str, Any], digest: str) -> Any:
    """Return a manifest whose bytes have the digest that was asked for."""
    url = "{}/v2/{}/manifests/{}".format(base, orders["path"], digest)
    opener = docker_opener(base)
    headers = {"Accept": ", ".join(KINDS)}
    try:
        text = read(opener, url, headers)
    except urllib.error.HTTPError as refusal:
        if refusal.code != 401:
            raise
        headers["Authorization"] = authorization(opener, refusal.headers.get("WWW-Authenticate", ""), orders)
        text = read(opener, url, headers)
    if "sha256:" + hashlib.sha256(text).hexdigest() != digest:
        raise ValueError(f"the manifest hasn't the digest {digest}")
    return json.loads(text)


def read(opener: urllib.request.OpenerDirector, url: str, headers: dict[str, str]) -> bytes:
    with opener.open(urllib.request.Request(url, headers=headers), timeout=ASK_SECONDS) as answer:
        return bytes(answer.read(LARGEST_MANIFEST_BYTES))


def authorization(opener: urllib.request.OpenerDirector, challenge: str, orders: dict[str, Any]) -> str:
    """Return what a registry wants to see: a token that its own service gives, or the login itself."""
    known = login(orders["registry"])
    basic = ""
    if known.get("username"):
        pair = "{}:{}".format(known["username"], known.get("password", ""))
        basic = "Basic " + base64.b64encode(pair.encode()).decode()
    kind, _, rest = challenge.partition(" ")
    if kind.lower() != "bearer":
        return basic
    said = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    scope = said.get("scope") or "repository:{}:pull".format(orders["path"])
    url = "{}?{}".format(said["realm"], urlencode({"service": said.get("service", ""), "scope": scope}))
    answer = json.loads(read(opener, url, {"Authorization": basic} if basic else {}))
    return "Bearer " + str(answer.get("token") or answer["access_token"])
