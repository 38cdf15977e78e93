"""The program that a host runs from standard input. It gathers and decides nothing.

Standard library only. Nothing is installed, and nothing but marks of hanging calls (HANGING) is written. It
avoids the costly imports (json, subprocess, hashlib, signal, socket: half of a naive probe's time) and
keeps to syntax that every Python 3 can read, so that a Python that is too old can say so.

Three processes: the parent keeps the time and prints; the worker reads files, asks systemd, journal and
Docker; the third asks NVML, because a broken driver may never answer. A child that is late is killed; one
that can't be killed (state D) is reported and left behind, and the next probe doesn't stack another one
on it.
"""

import binascii
import os
import select
import sys
import time

HANGING = "/run/glmprov/probe"
DEVICES = "/sys/bus/pci/devices"
ACS_CAPABILITY = 0x000D
LONGEST_FILE = 1 << 20

try:
    from _json import encode_basestring_ascii as quote
except ImportError:  # another Python than CPython

    def quote(text):
        """Return the text as a JSON string in ASCII."""
        units = text.encode("utf-16-be", "surrogatepass")
        codes = [units[i] << 8 | units[i + 1] for i in range(0, len(units), 2)]
        plain = [chr(c) if 32 <= c < 127 and c not in (34, 92) else "\\u%04x" % c for c in codes]
        return '"' + "".join(plain) + '"'


def to_json(value):
    """Return the value as JSON in ASCII, so that nothing in it can be taken for a control sequence."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ",".join([quote(str(key)) + ":" + to_json(value[key]) for key in value]) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([to_json(item) for item in value]) + "]"
    return quote(str(value))


# Files: a text, None where there is no such file, {"error": …} where it can't be read.


def failure(problem):
    """Return an operating system error as a value of the answer; None for a file that isn't there."""
    if isinstance(problem, OSError) and problem.errno in (2, 20):
        return None
    return {"error": getattr(problem, "strerror", None) or str(problem)}


def read_bytes(path, limit=LONGEST_FILE):
    """Return the first limit bytes of a file. A FIFO under the name doesn't block."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        parts = []
        while limit > 0:
            part = os.read(descriptor, min(limit, 1 << 18))
            if not part:
                break
            parts.append(part)
            limit -= len(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def read(path, limit=LONGEST_FILE):
    """Return a file's text, None or {"error": …}."""
    try:
        return read_bytes(path, limit).decode("utf-8", "replace")
    except OSError as problem:
        return failure(problem)


def read_hex(path):
    """Return the first bytes of a file as hexadecimal digits."""
    try:
        return read_bytes(path, 64).hex()
    except OSError as problem:
        return failure(problem)


def names(folder):
    """Return the names in a folder in order, none where it can't be listed."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def expand(pattern):
    """Return the paths that a pattern with single stars in its parts stands for."""
    paths = [""]
    for part in pattern.split("/")[1:]:
        if "*" not in part:
            paths = [path + "/" + part for path in paths]
            continue
        head, _, tail = part.partition("*")
        paths = [
            path + "/" + name
            for path in paths
            for name in names(path or "/")
            if name.startswith(head) and name.endswith(tail) and len(name) >= len(head) + len(tail)
        ]
    return paths


def read_all(patterns):
    """Return {path: text} for plain paths (None where there is none) and for what patterns stand for."""
    found = {}
    for pattern in patterns:
        for path in expand(pattern) if "*" in pattern else [pattern]:
            text = read(path)
            if text is not None or path == pattern:
                found[path] = text
    return found


def tally(pattern):
    """Return {text: how many files of the pattern hold it}: what 256 CPUs say, in a line."""
    counts = {}
    for path in expand(pattern):
        text = read(path, 256)
        if isinstance(text, str):
            counts[text.strip()] = counts.get(text.strip(), 0) + 1
    return counts


def listing(folder):
    """Return the names in a folder, None or {"error": …}."""
    try:
        return sorted(os.listdir(folder))
    except OSError as problem:
        return failure(problem)


def first_line(path, word):
    """Return the first line of a file whose first word is the given one."""
    text = read(path)
    if not isinstance(text, str):
        return text
    for line in text.split("\n"):
        if line.split(None, 1)[:1] == [word]:
            return line.strip()
    return ""


def sums(patterns):
    """Return {path: sha256} for regular files; None for a link, a device and what can't be read."""
    try:
        from _sha2 import sha256
    except ImportError:
        try:
            from _sha256 import sha256
        except ImportError:
            from hashlib import sha256
    found = {}
    for pattern in patterns:
        for path in expand(pattern):
            try:
                regular = os.lstat(path).st_mode & 0o170000 == 0o100000
                found[path] = sha256(read_bytes(path)).hexdigest() if regular else None
            except OSError as problem:
                if failure(problem):
                    found[path] = None
    return found


def packages(prefixes):
    """Return [name, status, version] of the packages whose name has one of the prefixes, in one pass."""
    try:
        stanzas = read_bytes("/var/lib/dpkg/status", 64 << 20).split(b"\n\n")
    except OSError as problem:
        return failure(problem)
    wanted = tuple([b"Package: " + prefix.encode() for prefix in prefixes])
    found = []
    for stanza in stanzas:
        if stanza.lstrip(b"\n").startswith(wanted):
            field = {}
            for line in stanza.decode("utf-8", "replace").split("\n"):
                key, _, value = line.partition(": ")
                if key in ("Package", "Status", "Version"):
                    field[key] = value
            found.append([field.get("Package", ""), field.get("Status", ""), field.get("Version", "")])
    return found


# PCI: the cards before any driver, and the bridges above them.


def pci_cards():
    """Return the NVIDIA display devices as sysfs shows them."""
    cards = []
    for bus_id in names(DEVICES):
        base = DEVICES + "/" + bus_id + "/"
        if (read(base + "vendor", 64) or "") != "0x10de\n" or not str(read(base + "class", 64)).startswith(
            "0x03"
        ):
            continue
        card = {"bus_id": bus_id, "path": link(DEVICES + "/" + bus_id), "driver": link(base + "driver")}
        for name in (
            "device",
            "numa_node",
            "current_link_speed",
            "current_link_width",
            "max_link_speed",
            "max_link_width",
        ):
            card[name] = read(base + name, 256)
        cards.append(card)
    return cards


def link(path):
    """Return where a link points, "" if it is none."""
    try:
        return os.readlink(path)
    except OSError:
        return ""


def acs_of(bridges):
    """Return the Access Control Services registers of each bridge, by bus id."""
    return {bus_id: acs(DEVICES + "/" + bus_id + "/config") for bus_id in bridges}


def acs(path):
    """Return where a device's ACS capability lies, with its capability and control register.

    None: the device has no such capability.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as problem:
        return failure(problem) or {"error": "no configuration space"}
    try:
        offset, steps = 0x100, 0
        while offset >= 0x100 and steps < 96:
            header = os.pread(descriptor, 4, offset)
            if len(header) < 4:
                size = os.fstat(descriptor).st_size
                return (
                    None
                    if size <= 256
                    else {"error": "extended configuration space can be read by root only"}
                )
            word = int.from_bytes(header, "little")
            if word in (0, 0xFFFFFFFF):
                return None
            if word & 0xFFFF == ACS_CAPABILITY:
                registers = os.pread(descriptor, 4, offset + 4)
                return {
                    "offset": offset,
                    "capability": int.from_bytes(registers[:2], "little"),
                    "control": int.from_bytes(registers[2:], "little"),
                }
            offset, steps = (word >> 20) & 0xFFC, steps + 1
        return None
    except OSError as problem:
        return {"error": str(problem.strerror)}
    finally:
        os.close(descriptor)


# Commands and Docker.


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


def docker(paths, seconds, limit):
    """Return {path: body} from the Docker daemon's socket. A daemon that isn't running isn't woken up."""
    if not isinstance(read("/run/docker.pid", 64), str):
        return {"error": "dockerd is not running"}
    import _socket

    end, found = time.monotonic() + seconds, {}
    for path in paths:
        wire = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            wire.settimeout(max(0.1, end - time.monotonic()))
            wire.connect("/run/docker.sock")
            wire.sendall(("GET %s HTTP/1.0\r\nHost: docker\r\n\r\n" % path).encode())
            reply = b""
            while len(reply) < limit:
                wire.settimeout(max(0.1, end - time.monotonic()))
                part = wire.recv(65536)
                if not part:
                    break
                reply += part
            found[path] = reply.partition(b"\r\n\r\n")[2].decode("utf-8", "replace")
        except OSError as problem:
            return {"error": problem.strerror or "no answer within %g s" % seconds}
        finally:
            wire.close()
    return found


# The worker and the parent that keeps the time.


def gather_host(send, wanted):
    """Send everything but NVML, what may block last."""
    commands = {name: spawn(argv) for name, argv in wanted["commands"].items()}
    send("files", read_all(wanted["files"]))
    send("sums", sums(wanted["sums"]))
    send("packages", packages(wanted["packages"]))
    send("lines", {path: first_line(path, word) for path, word in wanted["lines"].items()})
    send("folders", {folder: listing(folder) for folder in wanted["folders"]})
    send("tallies", {pattern: tally(pattern) for pattern in wanted["tallies"]})
    send("heads", {path: read(path, 4096) for path in wanted["heads"]})
    send("hex", {path: read_hex(path) for path in wanted["hex"]})
    send("docker", docker(wanted["docker"], wanted["docker_seconds"], LONGEST_FILE))
    end = time.monotonic() + wanted["command_seconds"]
    collected = {}
    for name in commands:
        collected[name] = collect(commands[name], max(0.1, round(end - time.monotonic(), 1)), LONGEST_FILE)
    send("commands", collected)
    cards = pci_cards()
    send("pci", cards)
    send("driver_files", read_all(wanted["driver_files"]))
    above = [part for card in cards for part in card["path"].split("/")[:-1] if part.count(":") == 2]
    send("acs", acs_of(sorted(set(above))))


def gather_nvml(send, source):
    """Send what NVML says. The source is compiled only here: most of it is of no use on a bare host."""
    space = {"__name__": "payload_nvml"}
    exec(compile(source, "payload_nvml", "exec"), space)
    space["gather"](send, read, space)


def start(name, work, seconds):
    """Run work in a child that writes what it sends into a pipe. Return the child's record."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child:
        os.close(theirs)
        mark = "%s/%s.%d" % (HANGING, name, child)
        try:
            os.makedirs(HANGING, 0o755, exist_ok=True)
            with open(mark, "w") as file:
                file.write(stat_of(child)[1])
        except OSError:
            mark = ""  # not root, or a read-only system: only the memory of hanging calls is lost
        return {"name": name, "pid": child, "pipe": ours, "seconds": seconds, "mark": mark, "parts": []}
    try:
        import _signal

        _signal.alarm(int(seconds) + 5)  # dies by itself if the parent is gone
        null = os.open("/dev/null", os.O_RDWR)
        for inherited in (0, 1, 2):  # a child that is left behind must not hold the connection open
            os.dup2(null, inherited)

        def send(key, value):
            text = (quote(key) + ":" + to_json(value) + "\n").encode("ascii")
            while text:
                text = text[os.write(theirs, text) :]

        try:
            work(send)
        except Exception as problem:
            send("failed_" + name, "%s: %s" % (type(problem).__name__, problem))
    finally:
        os._exit(0)


def stat_of(pid):
    """Return a process' state and start time, two empty texts if there is none."""
    text = read("/proc/%d/stat" % pid, 4096)
    fields = text.rpartition(")")[2].split() if isinstance(text, str) else []
    return (fields[0], fields[19]) if len(fields) > 19 else ("", "")


def still_hanging(name, seconds):
    """Return the record of an earlier probe's child that should have ended long ago, or None."""
    for entry in names(HANGING):
        kind, _, pid = entry.partition(".")
        if kind != name or not pid.isdigit():
            continue
        path = HANGING + "/" + entry
        state, started = stat_of(int(pid))
        if not started or started != read(path, 64) or state in "ZX":
            os.unlink(path)
        elif time.time() - os.stat(path).st_mtime > seconds + 10:
            return {"task": name, "pid": int(pid), "state": state, "earlier": True}
    return None


def wait_for(children):
    """Read what the children send until each has ended or is late."""
    begun = time.monotonic()
    open_pipes = {child["pipe"]: child for child in children}
    poller = select.poll()
    for pipe in open_pipes:
        poller.register(pipe, select.POLLIN | select.POLLHUP)
    while open_pipes:
        left = min([child["seconds"] for child in open_pipes.values()]) - (time.monotonic() - begun)
        for pipe, _ in poller.poll(max(0, int(left * 1000))):
            part = os.read(pipe, 1 << 18)
            if part:
                open_pipes[pipe]["parts"].append(part)
            else:
                poller.unregister(pipe)
                del open_pipes[pipe]
        for pipe in list(open_pipes):
            if time.monotonic() - begun >= open_pipes[pipe]["seconds"]:
                poller.unregister(pipe)
                open_pipes.pop(pipe)["late"] = True


def end_of(child):
    """Reap a child, killing it first if it is late. Return its record for "hung", or None if all was well."""
    late = child.get("late", False)
    if late:
        os.kill(child["pid"], 9)
    patience = time.monotonic() + (1.0 if late else 5.0)
    while True:
        state = stat_of(child["pid"])[0]
        if os.waitpid(child["pid"], os.WNOHANG)[0]:
            if child["mark"]:
                os.unlink(child["mark"])
            return {"task": child["name"], "pid": child["pid"], "state": "killed"} if late else None
        if time.monotonic() > patience:
            if child["mark"]:
                os.utime(child["mark"], (0, 0))  # the next probe need not wait to see that it hangs
            return {"task": child["name"], "pid": child["pid"], "state": state}
        time.sleep(0.005)


def main(mark, wanted, nvml_source):
    """Gather and print the answer between two lines that begin with the mark."""
    answer = ['"version":1', '"python":' + to_json(list(sys.version_info[:3]))]
    if sys.version_info >= (3, 8):
        answer += gather(wanted, nvml_source)
    body = ("{" + ",".join(answer) + "}").encode("ascii")
    head = "\n%s %d %08x\n" % (mark, len(body), binascii.crc32(body) & 0xFFFFFFFF)
    text = head.encode() + body + ("\n%s END\n" % mark).encode()
    while text:
        text = text[os.write(1, text) :]


def gather(wanted, nvml_source):
    """Return the parts of the answer as JSON texts."""
    loaded = isinstance(read("/proc/driver/nvidia/version"), str)
    library = any(os.path.exists(path) for path in wanted["nvml_libraries"])
    hung, children = [], []
    for name, needed, work, seconds in (
        ("host", True, lambda send: gather_host(send, wanted), wanted["host_seconds"]),
        ("nvml", loaded and library, lambda send: gather_nvml(send, nvml_source), wanted["nvml_seconds"]),
    ):
        if needed:
            before = still_hanging(name, seconds)
            if before:
                hung.append(before)
            else:
                children.append(start(name, work, seconds))
    answer = [
        '"uid":%d' % os.geteuid(),
        '"time":%d' % int(time.time()),
        '"uname":' + to_json(tuple(os.uname())),
    ]
    answer += ['"nvml_library":' + to_json(library), '"driver_loaded":' + to_json(loaded)]
    wait_for(children)
    for child in children:
        trouble = end_of(child)
        if trouble:
            hung.append(trouble)
        # A child that was killed may have left half a line behind.
        lines = b"".join(child["parts"]).split(b"\n")[:-1]
        answer += [line.decode("ascii") for line in lines]
    answer.append('"hung":' + to_json(hung))
    return answer
