"""What is sent of files that are too many, too long or not text: counts, sums, versions, what they hold."""

import posix as os

from glmprov.probe.payload.reading import expand, failure, read, read_bytes


def tally(pattern):
    """Return {text: how many files of the pattern hold it}: what 256 CPUs say, in a line."""
    counts = {}
    for path in expand(pattern):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            text = os.read(descriptor, 256)
            counts[text] = counts.get(text, 0) + 1
        except OSError:
            pass  # a CPU that went offline
        finally:
            os.close(descriptor)
    return {text.decode("utf-8", "replace").strip(): counts[text] for text in counts}


def numbers(text):
    """Return the numbers of a kernel's list ("0-3,8")."""
    found = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            found += range(int(first), int(last or first) + 1)
    return found


def sockets(online, siblings):
    """Return the list of CPUs of each socket. One CPU a socket is asked for it, not all 256."""
    found = []
    left = numbers(str(read(online)))
    while left:
        text = read(siblings % left[0])
        members = {left[0]}
        if isinstance(text, str):
            found.append(text.strip())
            members.update(numbers(text))
        left = [cpu for cpu in left if cpu not in members]
    return found


def tails(patterns, length):
    """Return {path: the last bytes of it as text}."""
    found = {}
    for pattern in patterns:
        for path in expand(pattern):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    found[path] = os.pread(
                        descriptor, length, max(0, os.fstat(descriptor).st_size - length)
                    ).decode("latin-1")
                finally:
                    os.close(descriptor)
            except OSError as problem:
                found[path] = failure(problem)
    return found


def numbers_behind(patterns, word):
    """Return {path: the longest version number that stands directly behind a word in the file}."""
    found = {}
    for pattern in patterns:
        for path in expand(pattern):
            text = read(path)
            if isinstance(text, str):
                pieces = [piece[:24] for piece in text.split(word)[1:]]
                text = max(
                    [piece[: len(piece) - len(piece.lstrip("0123456789."))] for piece in pieces] + [""],
                    key=len,
                )
            found[path] = text
    return found


def within(path, parts):
    """Return {part: whether the file at path holds the bytes of the file at part}, None where part isn't there."""
    found = {}
    for part in parts:
        try:
            needle = read_bytes(part)
        except OSError as problem:
            found[part] = failure(problem)
            continue
        try:
            found[part] = bool(needle) and needle in read_bytes(path)
        except OSError as problem:
            found[part] = {"error": "%s: %s" % (path, problem.strerror)}
    return found


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
