"""The payload's first part: values as JSON, files as texts, None where there is no such file, {"error": …} where
it can't be read.
"""

import posix as os  # os itself takes a tenth of the whole start

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


def there(path):
    """Return whether there is something of that name."""
    try:
        return bool(os.stat(path))
    except OSError:
        return False


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


def listing(folder):
    """Return the names in a folder, None or {"error": …}."""
    try:
        return sorted(os.listdir(folder))
    except OSError as problem:
        return failure(problem)


def lines_of(path, beginnings):
    """Return the lines of a file that begin so, blanks before and behind taken off."""
    text = read(path)
    if not isinstance(text, str):
        return text
    stripped = [line.strip() for line in text.split("\n")]
    return [line for line in stripped if line.startswith(tuple(beginnings))]


def present(patterns):
    """Return the paths of these patterns that are there."""
    return [path for pattern in patterns for path in expand(pattern) if there(path)]


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
