"""What `docker login` kept on the host: the daemon keeps no logins, whoever asks it brings them along."""

from __future__ import annotations

import base64
import json
import os
import subprocess

DOCKER_HUB = "docker.io"
DOCKER_HUB_LOGIN = "https://index.docker.io/v1/"


def login_header(registry: str) -> dict[str, str]:
    """Return the header with the host's own login at a registry, as the docker command would send it."""
    found = login(registry)
    if not found:
        return {}
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(found).encode()).decode()}


def login(registry: str) -> dict[str, str]:
    """Return what `docker login` kept for a registry; nothing where nobody has logged in."""
    home = os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")
    try:
        with open(os.path.join(home, "config.json"), encoding="utf-8") as file:
            kept = json.load(file)
    except (OSError, ValueError):
        return {}
    name = DOCKER_HUB_LOGIN if registry == DOCKER_HUB else registry
    helper = kept.get("credHelpers", {}).get(registry) or kept.get("credsStore")
    if helper:
        return _from_helper(helper, name)
    auths = kept.get("auths", {})
    entry = auths.get(name) or auths.get("https://" + name) or auths.get(f"https://{name}/v1/") or {}
    user, _, password = base64.b64decode(entry.get("auth", "")).decode(errors="replace").partition(":")
    said = {
        "username": user,
        "password": password.rstrip("\0"),
        "identitytoken": entry.get("identitytoken", ""),
    }
    return (
        {**{key: value for key, value in said.items() if value}, "serveraddress": name}
        if any(said.values())
        else {}
    )


def _from_helper(helper: str, name: str) -> dict[str, str]:
    try:
        done = subprocess.run(
            ["docker-credential-" + helper, "get"], input=name.encode(), stdout=subprocess.PIPE, timeout=30
        )
        said = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    if said.get("Username") == "<token>":
        return {"identitytoken": said["Secret"], "serveraddress": name}
    return {"username": said.get("Username", ""), "password": said.get("Secret", ""), "serveraddress": name}
