"""The words of `docker run …`, and what its image launches. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from glmprov.recipe.arguments import Named, arguments, is_name, launcher_of, takes_model
from glmprov.recipe.launch import Launch, Value

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
_PROGRAM = re.compile(r"(^|/)(bash|sh|python[\d.]*|env|tini)$|^/|\.(sh|py)$")
"""What stands behind an image and is no argument of its entry point."""


@dataclass(frozen=True)
class Pasted:
    """What a command launches. notes: what was left out, and why; text: the command as it was pasted, if known."""

    launch: Launch
    notes: tuple[str, ...] = ()
    text: str = ""


def split(text: str) -> list[str]:
    """Return the words of a command that may go over several lines. Raise ValueError for a quote that isn't closed."""
    return shlex.split(re.sub(r"\\[ \t]*\r?\n", " ", text))


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
    read = arguments(command[len(launcher) :], positional=takes_model(engine, launcher))
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
    return next((at for at, word in enumerate(words) if is_name(word)), len(words))


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


def docker_options(rest: list[str]) -> tuple[Named, dict[str, str]]:
    """Take the options of `docker run` off the words; return them, and the variables that they set."""
    read = Named()
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


def _variable(said: str, environment: dict[str, str], read: Named) -> None:
    name, equals, value = said.partition("=")
    if equals:
        environment[name] = value
    else:
        read.notes.append(
            f"{name} comes from the environment of whoever types `docker run`: left out, give it a value"
        )
