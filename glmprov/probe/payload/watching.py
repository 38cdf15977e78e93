"""The payload's part that keeps the time: a child that works, and what becomes of one that doesn't end."""

import posix as os
import select
import time

from glmprov.probe.payload.reading import listing, names, read
from glmprov.probe.payload.values import quote, to_json

HANGING = "/run/glmprov/probe"


def start(name, work, seconds):
    """Run work in a child that writes what it sends into a pipe. Return the child's record."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child:
        os.close(theirs)
        mark = "%s/%s.%d" % (HANGING, name, child)
        try:
            for folder in (HANGING.rpartition("/")[0], HANGING):
                if not isinstance(listing(folder), list):
                    os.mkdir(folder, 0o755)
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
            forget(path)
        elif time.time() - written_at(path) > seconds + 10:
            return {"task": name, "pid": int(pid), "state": state, "earlier": True}
    return None


def forget(mark):
    """Remove a mark. Another probe, on its own look around, may have been faster."""
    try:
        os.unlink(mark)
    except OSError:
        pass


def remember(mark):
    """Make a mark old, so that the next probe need not wait to see that its child hangs."""
    try:
        os.utime(mark, (0, 0))
    except OSError:
        pass


def written_at(mark):
    """Return when a mark was written; now, if it is gone."""
    try:
        return os.stat(mark).st_mtime
    except OSError:
        return time.time()


def wait_for(child):
    """Read what a child sends until it has ended or is late."""
    end = time.monotonic() + child["seconds"]
    poller = select.poll()
    poller.register(child["pipe"], select.POLLIN | select.POLLHUP)
    while True:
        if not poller.poll(max(0, int((end - time.monotonic()) * 1000))):
            child["late"] = True
            return
        part = os.read(child["pipe"], 1 << 18)
        if not part:
            return
        child["parts"].append(part)


def end_of(child):
    """Reap a child, killing it first if it is late. Return its record for "hung", or None if all was well."""
    late = child.get("late", False)
    if late:
        os.kill(child["pid"], 9)
    patience = time.monotonic() + (1.0 if late else 5.0)
    while True:
        state = stat_of(child["pid"])[0]
        if os.waitpid(child["pid"], os.WNOHANG)[0]:
            forget(child["mark"])
            return {"task": child["name"], "pid": child["pid"], "state": "killed"} if late else None
        if time.monotonic() > patience:
            remember(child["mark"])
            return {"task": child["name"], "pid": child["pid"], "state": state}
        time.sleep(0.005)
