"""Files as texts, None where there is no such file, {"error": …} where it can't be read."""

import posix as os  # os itself takes a tenth of the whole start

LONGEST_FILE = 1 << 20


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


def sizes(patterns):
    """Return {path: bytes} for the files that these patterns stand for; links are followed."""
    found = {}
    for pattern in patterns:
        for path in expand(pattern):
            try:
                found[path] = os.stat(path).st_size
            except OSError:
                pass
    return found
