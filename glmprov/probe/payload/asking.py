"""The payload's part that asks others: commands, and Docker through its socket."""

import posix as os
import select
import time

from glmprov.probe.payload.reading import read


def spawn(argv):
    """Start a command with its output in a pipe. Return (process id, pipe) or {"error": …}."""
    try:
        ours, theirs = os.pipe()
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        actions = [
            (os.POSIX_SPAWN_DUP2, null, 0),
            (os.POSIX_SPAWN_DUP2, theirs, 1),
            (os.POSIX_SPAWN_DUP2, theirs, 2),
        ]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "SYSTEMD_COLORS": "0"}
        try:
            child = os.posix_spawnp(argv[0], argv, environment, file_actions=actions)
        finally:
            os.close(theirs)
            os.close(null)
        return child, ours
    except OSError as problem:
        return {"error": "%s: %s" % (argv[0], problem.strerror)}


def collect(started, seconds, limit):
    """Return a started command's exit status and output; kill it when it is late or floods."""
    if isinstance(started, dict):
        return started
    child, pipe = started
    end, parts, size = time.monotonic() + seconds, [], 0
    poller = select.poll()
    poller.register(pipe, select.POLLIN | select.POLLHUP)
    while True:
        if not poller.poll(max(0, int((end - time.monotonic()) * 1000))):
            return give_up(child, "no answer within %g s" % seconds)
        part = os.read(pipe, 65536)
        if not part:
            break
        parts.append(part)
        size += len(part)
        if size > limit:
            return give_up(child, "more than %d bytes of output" % limit)
    os.close(pipe)
    status = os.waitpid(child, 0)[1]
    return {"status": status, "output": b"".join(parts).decode("utf-8", "replace")}


def give_up(child, reason):
    """Kill a command without waiting for it and return the reason."""
    os.kill(child, 9)
    return {"error": reason}


def docker_asked(paths):
    """Ask the Docker daemon's socket for paths. A daemon that isn't running isn't woken up. Return {path: socket}."""
    if not isinstance(read("/run/docker.pid", 64), str):
        return {"error": "dockerd is not running"}
    import _socket

    wires = {}
    try:
        for path in paths:
            wire = wires[path] = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
            wire.settimeout(1.0)
            wire.connect("/run/docker.sock")
            wire.send(("GET %s HTTP/1.0\r\nHost: docker\r\n\r\n" % path).encode())
    except OSError as problem:
        return {"error": problem.strerror or "no answer"}
    return wires


def docker_answers(wires, seconds, limit):
    """Return {path: body} of what was asked. The daemon has worked in the meantime."""
    end, found = time.monotonic() + seconds, {}
    for path in wires if "error" not in wires else ():
        try:
            reply = b""
            while len(reply) < limit:
                wires[path].settimeout(max(0.1, end - time.monotonic()))
                part = wires[path].recv(65536)
                if not part:
                    break
                reply += part
            found[path] = reply.partition(b"\r\n\r\n")[2].decode("utf-8", "replace")
        except OSError as problem:
            return {"error": problem.strerror or "no answer within %g s" % seconds}
        finally:
            wires[path].close()
    return found or wires
