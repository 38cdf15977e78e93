"""Docker's own API, spoken on the host over Docker's own socket."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from glmprov.operate.payload.telling import Fault, progress

SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
CALL_SECONDS = 60.0
SILENT_STREAM_SECONDS = 900.0
DOCKER_HUB = "docker.io"
DOCKER_HUB_LOGIN = "https://index.docker.io/v1/"


class Engine(http.client.HTTPConnection):
    """One HTTP connection to the Docker daemon."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def socket_path(orders: dict[str, Any]) -> str:
    """Return where the daemon listens: as ordered, as DOCKER_HOST says, or where Docker always lies."""
    said = orders.get("socket") or os.environ.get("DOCKER_HOST", "")
    if said:
        if not said.startswith(("unix://", "/")):
            raise Fault("daemon-elsewhere", said)
        return str(said).replace("unix://", "", 1)
    rootless = os.path.join(os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}"), "docker.sock")
    return next((path for path in (*SOCKETS, rootless) if os.path.exists(path)), SOCKETS[0])


@contextlib.contextmanager
def called(
    orders: dict[str, Any],
    method: str,
    path: str,
    *,
    query: dict[str, str] | None = None,
    body: Any = None,
    headers: dict[str, str] | None = None,
    silent_seconds: float = CALL_SECONDS,
) -> Iterator[http.client.HTTPResponse]:
    """Yield the daemon's answer, read by whoever asked. Raise Fault if there is none, or it is a refusal."""
    where = socket_path(orders)
    engine = Engine(where, silent_seconds)
    try:
        try:
            engine.request(method, path + ("?" + urlencode(query) if query else ""), body, headers or {})
            answer = engine.getresponse()
        except TimeoutError:
            raise Fault(
                "daemon-silent", f"no answer to {method} {path} within {silent_seconds:g} s"
            ) from None
        except PermissionError:
            raise Fault("daemon-refuses", where) from None
        except (OSError, http.client.HTTPException) as error:
            raise Fault(
                "daemon-down", "{}: {}".format(where, getattr(error, "strerror", None) or error)
            ) from None
        if answer.status >= 400:
            raise Fault("refused", message_of(answer), status=answer.status)
        yield answer
    finally:
        engine.close()


def message_of(answer: http.client.HTTPResponse) -> str:
    text = answer.read(1 << 16).decode(errors="replace")
    with contextlib.suppress(ValueError):
        said = json.loads(text)
        if isinstance(said, dict) and said.get("message"):
            return str(said["message"]).strip()
    return text.strip() or f"{answer.status} {answer.reason}"


def get(orders: dict[str, Any], path: str, **how: Any) -> Any:
    with called(orders, "GET", path, **how) as answer:
        return json.loads(answer.read())


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


def resolve(orders: dict[str, Any]) -> Any:
    """Return what the registry holds under a name, as the daemon sees it; nothing is fetched."""
    path = "/distribution/{}/json".format(quote(orders["name"]))
    return get(orders, path, headers=login_header(orders["registry"]), silent_seconds=120.0)


def information(orders: dict[str, Any]) -> Any:
    """Return what the daemon says of itself, and the room where it keeps images."""
    info = get(orders, "/info")
    room = os.statvfs(info["DockerRootDir"])
    return {**info, "free_bytes": room.f_bavail * room.f_frsize}


def inspect(orders: dict[str, Any]) -> Any:
    """Return an image that the host has, None if it hasn't."""
    return _unless_missing(orders, "/images/{}/json".format(quote(orders["name"])))


def _unless_missing(orders: dict[str, Any], path: str, **how: Any) -> Any:
    try:
        return get(orders, path, **how)
    except Fault as fault:
        if fault.told.get("status") == 404:
            return None
        raise


class Layers:
    """How far a pull is, layer by layer, from what the daemon says as it goes."""

    def __init__(self) -> None:
        self.phase: dict[str, str] = {}
        self.done_bytes: dict[str, int] = {}
        self.total_bytes: dict[str, int] = {}

    def take(self, message: dict[str, Any]) -> None:
        layer, status = message.get("id", ""), message.get("status", "")
        if not layer or status.startswith("Pulling from"):
            return
        self.phase[layer] = status
        detail = message.get("progressDetail") or {}
        if status == "Downloading" and detail.get("current"):
            self.done_bytes[layer] = detail["current"]
            if detail.get("total", 0) > 0:
                self.total_bytes[layer] = detail["total"]
        if status in ("Download complete", "Pull complete") and layer in self.total_bytes:
            self.done_bytes[layer] = self.total_bytes[layer]

    def report(self) -> dict[str, Any]:
        phases = list(self.phase.values())
        return {
            "layers": len(phases),
            "layers_done": sum(phase in ("Pull complete", "Already exists") for phase in phases),
            "bytes_done": sum(self.done_bytes.values()),
            "bytes_total": sum(self.total_bytes.values()),
            "extracting": "Extracting" in phases and "Downloading" not in phases,
            "by_layer": {
                layer: [phase, self.done_bytes.get(layer, 0), self.total_bytes.get(layer, 0)]
                for layer, phase in self.phase.items()
            },
        }


def pull(orders: dict[str, Any]) -> Any:
    """Fetch an image by its digest, or a tag, and return it as the daemon then has it.

    An error comes in the stream, behind a status of 200, so all of it is read.
    """
    query = {"fromImage": orders["repository"], "tag": orders["digest"]}
    layers, failure = Layers(), None
    headers = login_header(orders["registry"])
    with called(
        orders, "POST", "/images/create", query=query, headers=headers, silent_seconds=SILENT_STREAM_SECONDS
    ) as answer:
        for message in messages(answer):
            failure = failure or message.get("errorDetail", {}).get("message") or message.get("error")
            layers.take(message)
            progress(layers.report())
    if failure:
        raise Fault("pull", failure)
    progress(layers.report(), now=True)
    return inspect({**orders, "name": "{}@{}".format(orders["repository"], orders["digest"])})


def messages(answer: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a stream. Raise Fault if the daemon falls silent or dies in the middle."""
    try:
        for line in lines(answer):
            if line.strip():
                yield json.loads(line)
    except TimeoutError:
        raise Fault("daemon-silent", f"the stream was silent for {SILENT_STREAM_SECONDS:g} s") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Fault("daemon-down", "the stream broke off: %s" % (error or type(error).__name__)) from None


def lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield a stream's lines. readline() would take a stream that breaks off for one that has ended."""
    rest = b""
    for data in iter(lambda: answer.read1(1 << 16), b""):
        *whole, rest = (rest + data).split(b"\n")
        yield from whole
    yield rest


class Counted:
    """A file that says how much of it has been read."""

    def __init__(self, path: str) -> None:
        self.file = open(path, "rb")  # noqa: SIM115  (open as long as the request is under way)
        self.size = os.fstat(self.file.fileno()).st_size
        self.done = 0

    def read(self, size: int = 1 << 20) -> bytes:
        data = self.file.read(max(size, 1 << 20))
        self.done += len(data)
        progress({"bytes_done": self.done, "bytes_total": self.size})
        return data


def load(orders: dict[str, Any]) -> Any:
    """Load the images of a file on the host; return what the daemon calls them."""
    file = Counted(orders["path"])
    headers = {"Content-Type": "application/x-tar", "Content-Length": str(file.size)}
    names: list[str] = []
    failure = None
    with called(
        orders, "POST", "/images/load", body=file, headers=headers, silent_seconds=SILENT_STREAM_SECONDS
    ) as answer:
        for message in messages(answer):
            failure = failure or message.get("errorDetail", {}).get("message") or message.get("error")
            before, found, name = message.get("stream", "").strip().partition(": ")
            if found and before.startswith("Loaded image"):
                names.append(name)
    if failure or not names:
        raise Fault("load", failure or "there is no image in it")
    return names


def images(orders: dict[str, Any]) -> Any:
    """Return the images that the host has, short, with the containers that use each."""
    used: dict[str, list[str]] = {}
    for container in get(orders, "/containers/json", query={"all": "1"}):
        used.setdefault(container["ImageID"], []).append(container["Names"][0].lstrip("/"))
    return [{**image, "UsedBy": used.get(image["Id"], [])} for image in get(orders, "/images/json")]


def remove_image(orders: dict[str, Any]) -> Any:
    """Remove an image that nothing uses. Return whether it was there."""
    return _act(orders, "DELETE", "/images/{}".format(quote(orders["name"])))


def tag(orders: dict[str, Any]) -> Any:
    """Give an image a name more, so that pruning what has none leaves it."""
    path = "/images/{}/tag".format(quote(orders["name"]))
    return _act(orders, "POST", path, query={"repo": orders["repository"], "tag": orders["tag"]})


def container(orders: dict[str, Any]) -> Any:
    """Return a container, None if there is none of that name."""
    return _unless_missing(orders, "/containers/{}/json".format(quote(orders["name"])))


def stop_container(orders: dict[str, Any]) -> Any:
    """Stop a container: SIGTERM, after some seconds SIGKILL. Return whether there was one."""
    seconds = int(orders["seconds"])
    path = "/containers/{}/stop".format(quote(orders["name"]))
    return _act(orders, "POST", path, query={"t": str(seconds)}, silent_seconds=seconds + 30.0)


def remove_container(orders: dict[str, Any]) -> Any:
    """Remove a container, a running one too. Return whether there was one."""
    return _act(orders, "DELETE", "/containers/{}".format(quote(orders["name"])), query={"force": "1"})


def _act(orders: dict[str, Any], method: str, path: str, **how: Any) -> bool:
    try:
        with called(orders, method, path, **how) as answer:
            answer.read()
    except Fault as fault:
        if fault.told.get("status") == 404:
            return False
        raise
    return True


def container_log(orders: dict[str, Any]) -> Any:
    """Return the last lines that a container has printed, both outputs in order, None if there is none."""
    query = {"stdout": "1", "stderr": "1", "tail": str(int(orders["lines"]))}
    seen = container(orders)
    if seen is None:
        return None
    with called(orders, "GET", "/containers/{}/logs".format(quote(orders["name"])), query=query) as answer:
        data = answer.read()
    whole = data if seen["Config"].get("Tty") else b"".join(part for _, part in frames(data))
    return whole.decode(errors="replace")


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Split what Docker sends of a container without a terminal: output number, length, bytes."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        yield data[at], data[at + 8 : at + 8 + size]
        at += 8 + size
