"""The payload's part about instances: what runs of each, and with which environment."""

from glmprov.probe.payload.asking import docker_answers, docker_asked
from glmprov.probe.payload.reading import expand, names, read, there

SECRET = ("KEY", "APIKEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIALS")
"""Words in the name of a variable whose value is not for us, as glmprov.deployed.SECRET_WORDS."""
LONGEST_INSPECTION = 1 << 20


def instance_names(home, receipts):
    """Return the names of the instances that have files here, or only a receipt any more."""
    with_files = [name for name in names(home) if not name.startswith(".")]
    return sorted({*with_files, *[path.split("/")[-2] for path in expand(receipts) if there(path)]})


def instances_asked(found):
    """Ask Docker for the containers of these instances. Return what instances() takes."""
    return docker_asked(["/containers/glmprov-%s/json" % name for name in found]) if found else {}


def instances(found, wires, seconds):
    """Return {name: {"image": …, "environment": …}} for each instance, None for what doesn't run."""
    bodies = docker_answers(wires, seconds, LONGEST_INSPECTION) if wires else {}
    answer = {}
    for name in found:
        body = bodies.get("/containers/glmprov-%s/json" % name, "")
        process = behind(body, '"Pid":', ",}") if isinstance(body, str) else None
        if process in (None, "0"):
            process, body = first_of(name), ""
        answer[name] = {
            "image": behind(body, '"Image":"', '"') if process else None,
            "environment": environment(process) if process else None,
        }
    return answer


def behind(body, word, ends):
    """Return the text between a word, where it is first, and one of these characters; None where it isn't."""
    start = body.find(word)
    if start < 0:
        return None
    start += len(word)
    stop = min([at for at in [body.find(end, start) for end in ends] if at >= 0] or [start])
    return body[start:stop].strip()


def first_of(name):
    """Return the first process of an instance that runs from a virtual environment, None where it doesn't run."""
    path = "/sys/fs/cgroup/system.slice/glmprov-%s.service/cgroup.procs" % name
    text = read(path) or read("/sys/fs/cgroup/systemd" + path[14:])
    first = text.split("\n")[0] if isinstance(text, str) else ""
    command = read("/proc/%s/cmdline" % first, 64) if first else ""
    return first if isinstance(command, str) and command and "docker" not in command.split("\0")[0] else None


def environment(process):
    """Return a process's variables, without those whose name says that their value is secret."""
    text = read("/proc/%s/environ" % process)
    if not isinstance(text, str):
        return text or {"error": "its process is gone"}
    found = {}
    for line in text.split("\0"):
        name, equals, value = line.partition("=")
        if equals and not [word for word in name.upper().split("_") if word in SECRET]:
            found[name] = value
    return found
