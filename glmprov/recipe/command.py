"""The words of a command → what it launches. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from glmprov.recipe.launch import NUMBER, Launch, Value

MODULES = {"vllm.entrypoints.openai.api_server": "vllm", "sglang.launch_server": "sglang"}
"""Modules that `python -m` starts a server with, and whose server it is."""
IMAGES = {"vllm/vllm-openai": "vllm", "lmsysorg/sglang": "sglang"}
"""The engines' own images: their tags name a release. Nobody else's tag does."""
RELEASE = re.compile(r"^v?(\d+\.\d+\.\d+(?:\.?(?:post|rc)\d+)?)(?=$|-)")

DOCKER_SWITCHES = frozenset(
    {
        "d",
        "detach",
        "disable-content-trust",
        "help",
        "i",
        "init",
        "interactive",
        "no-healthcheck",
        "oom-kill-disable",
    }
    | {
        "P",
        "privileged",
        "publish-all",
        "q",
        "quiet",
        "read-only",
        "rm",
        "sig-proxy",
        "t",
        "tty",
        "use-api-socket",
    }
)
"""Options of `docker run` that take no value. Source: Docker's reference of the command line, `docker run`."""
_SWITCH = re.compile(r"^(enable|disable|no|trust|skip|allow|use)-")
"""Arguments so named take no value: before the model is named, what stands behind one is the model."""
_PROGRAM = re.compile(r"(^|/)(bash|sh|python[\d.]*|env|tini)$|^/|\.(sh|py)$")
"""What stands behind an image and is no argument of its entry point."""
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")


@dataclass(frozen=True)
class Pasted:
    """What a command launches. notes: what was left out, and why; text: the command as it was pasted, if known."""

    launch: Launch
    notes: tuple[str, ...] = ()
    text: str = ""


@dataclass
class _Read:
    """Names with values, as they are read."""

    values: dict[str, Value] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def split(text: str) -> list[str]:
    """Return the words of a command that may go over several lines. Raise ValueError for a quote that isn't closed."""
    return shlex.split(re.sub(r"\\[ \t]*\r?\n", " ", text))


def understood(words: Sequence[str], environment: Mapping[str, str] | None = None) -> Pasted:
    """Given the words of `docker run …`, `vllm serve …`, `python -m sglang.launch_server …`, return the launch.

    environment is what was exported before. Raise ValueError if the words start nothing that we know.
    """
    assigned: dict[str, str] = dict(environment or {})
    rest = list(words)
    while rest and _ASSIGNMENT.match(rest[0]):
        name, _, value = rest.pop(0).partition("=")
        assigned[name] = value
    if not rest:
        raise ValueError("no command is there")
    if rest[0].rpartition("/")[2] in ("docker", "podman", "nerdctl"):
        return _container(rest, assigned)
    engine, launcher = launcher_of(rest)
    if not engine:
        raise ValueError(f"{' '.join(rest[:3])} starts no engine that we know")
    read = arguments(rest[len(launcher) :], positional=engine == "vllm" and launcher[-2:-1] != ("-m",))
    launch = Launch(engine, "", launcher, read.values, assigned)
    return Pasted(launch, tuple(read.notes))


def launcher_of(words: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the engine that the words start, and those of them that start it; ("", ()) for any other program."""
    program = words[0].rpartition("/")[2] if words else ""
    if program in ("vllm", "sglang") and list(words[1:2]) == ["serve"]:
        return program, (words[0], "serve")
    if re.fullmatch(r"python[\d.]*", program) and "-m" in words:
        end = words.index("-m") + 2
        engine = MODULES.get(words[end - 1], "") if len(words) >= end else ""
        if engine and all(word.startswith("-") for word in words[1 : end - 2]):
            return engine, tuple(words[:end])
    return "", ()


def arguments(words: Sequence[str], *, positional: bool = False) -> _Read:
    """Return an engine's arguments by name. positional: one may stand without a name, `vllm serve MODEL`."""
    read = _Read()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not _is_name(word):
            _put(read, "", word)
            continue
        name, equals, value = word.partition("=")
        key = name[2:] if name.startswith("--") else name if len(name) > 2 else name[1:]
        wants_model = positional and not {"", "model"} & set(read.values)
        switch = wants_model and _SWITCH.match(key.replace("_", "-"))
        if equals:
            _put(read, key, value)
        elif switch or not rest or _is_name(rest[0]):
            _put(read, key, True)
        else:
            values = [rest.pop(0)]
            while rest and not _is_name(rest[0]):
                values.append(rest.pop(0))
            _put(read, key, values[0] if len(values) == 1 else tuple(values))
    if positional and "" not in read.values and "model" not in read.values:
        _find_model(read)
    return read


def _find_model(read: _Read) -> None:
    """The model may stand last, where it looks like a second value of the argument before it."""
    for name, value in read.values.items():
        if isinstance(value, tuple) and len(value) == 2 and "/" in value[1]:
            read.values = {"": value[1], **read.values, name: value[0]}
            return


def _put(read: _Read, name: str, value: Value) -> None:
    if name in read.values:
        said = f"--{name}" if name else value
        read.notes.append(f"{said} is given twice; as in the engine, the last one counts")
    read.values[name] = value


def _is_name(word: str) -> bool:
    return word.startswith("-") and len(word) > 1 and not NUMBER.match(word)


def _container(words: Sequence[str], assigned: Mapping[str, str]) -> Pasted:
    rest = list(words[1:])
    if rest[:1] == ["container"]:
        rest.pop(0)
    if not rest or rest.pop(0) not in ("run", "create"):
        raise ValueError(f"{' '.join(words[:2])} runs no container: give `docker run …`")
    options, environment = docker_options(rest)
    if not rest:
        raise ValueError("`docker run` names no image")
    notes = list(options.notes)
    for name in assigned:
        notes.append(f"{name} is set for docker itself and never reaches the engine: left out")
    pasted = in_image(rest[0], rest[1:], options.values, environment)
    return replace(pasted, notes=(*notes, *pasted.notes))


def in_image(
    image: str, words: Sequence[str], options: Mapping[str, Value], environment: Mapping[str, str]
) -> Pasted:
    """Return what an image launches, with the words that stand behind it."""
    entry = options.get("entrypoint")
    command = _unwrapped([*([entry] if isinstance(entry, str) else []), *words])
    engine, launcher = launcher_of(command)
    if not engine and command and _PROGRAM.search(command[0]):
        engine, launcher = "image", tuple(command[: _names_begin(command)])
    # Without a server's name in front, the image's own entry point takes the words.
    engine = engine or IMAGES.get(repository(image).removeprefix("docker.io/"), "image")
    read = arguments(command[len(launcher) :], positional=engine == "vllm" and launcher[-2:-1] != ("-m",))
    launch = Launch(
        engine, release(image), launcher, read.values, environment, image=image, options=dict(options)
    )
    return Pasted(launch, tuple(read.notes))


def _unwrapped(command: list[str]) -> list[str]:
    """Return what `bash -c '…'` starts, if that is an engine and nothing else."""
    if len(command) == 3 and command[0].rpartition("/")[2] in ("bash", "sh") and command[1].endswith("c"):
        inner = split(command[2])
        inner = inner[1:] if inner[:1] == ["exec"] else inner
        if launcher_of(inner)[0] and not {"&&", "||", ";", "|", "&"} & set(inner):
            return inner
    return command


def _names_begin(words: Sequence[str]) -> int:
    return next((at for at, word in enumerate(words) if _is_name(word)), len(words))


def repository(image: str) -> str:
    """Return an image's name without tag and digest."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def release(image: str) -> str:
    """Return the engine's release that an image's tag names, "" where it names none: `latest`, somebody's own image."""
    name = image.partition("@")[0]
    if repository(name).removeprefix("docker.io/") not in IMAGES:
        return ""
    found = RELEASE.match(name.rpartition("/")[2].partition(":")[2])
    return found.group(1) if found else ""


def docker_options(rest: list[str]) -> tuple[_Read, dict[str, str]]:
    """Take the options of `docker run` off the words; return them, and the variables that they set."""
    read = _Read()
    environment: dict[str, str] = {}
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        key = name.lstrip("-")
        if not word.startswith("--") and len(key) > 1:
            key, value, equals = _cluster(word, rest)
            if not key:
                read.values[word] = True
                continue
        if key in DOCKER_SWITCHES:
            if value.lower() != "false":
                read.values[key] = True
            continue
        if not equals:
            if not rest:
                raise ValueError(f"{word} of `docker run` takes a value")
            value = rest.pop(0)
        if key in ("e", "env"):
            _variable(value, environment, read)
        else:
            before = read.values.get(key)
            several = before if isinstance(before, tuple) else (before,) if isinstance(before, str) else ()
            read.values[key] = (*several, value) if several else value
    return read, environment


def _cluster(word: str, rest: Sequence[str]) -> tuple[str, str, str]:
    """Return key, value and a mark of `-p80:80`; an empty key for switches in one word, `-it`."""
    if set(word[1:]) <= DOCKER_SWITCHES:
        return "", "", ""
    return word[1], word[2:].removeprefix("="), "="


def _variable(said: str, environment: dict[str, str], read: _Read) -> None:
    name, equals, value = said.partition("=")
    if equals:
        environment[name] = value
    else:
        read.notes.append(
            f"{name} comes from the environment of whoever types `docker run`: left out, give it a value"
        )
