"""An image's name, taken apart as Docker does it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from glmprov.errors import UsageError

DOCKER_HUB = "docker.io"

_PATH = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class ImageName:
    """`[registry/]path[:tag][@digest]`. tag is "" where a digest alone is given, else "latest" where none is."""

    registry: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """The name without tag and digest, as people write it: docker.io and its library/ go without saying."""
        if self.registry == DOCKER_HUB:
            return self.path.removeprefix("library/")
        return f"{self.registry}/{self.path}"

    @property
    def tagged(self) -> str:
        """The name as a registry is asked for it: by tag, or by digest where there is no tag."""
        return f"{self.repository}:{self.tag}" if self.tag else self.pinned

    @property
    def pinned(self) -> str:
        """The name by digest. Only where there is one."""
        return f"{self.repository}@{self.digest}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


def image_name(text: str) -> ImageName:
    """Take an image's name apart. Raise UsageError if Docker wouldn't take it."""
    named, _, digest = text.partition("@")
    first, slash, rest = named.partition("/")
    registry, path = (first, rest) if slash and _is_registry(first) else (DOCKER_HUB, named)
    path, colon, tag = path.partition(":")
    if registry == "index.docker.io":
        registry = DOCKER_HUB
    if registry == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    fault = (
        "the name isn't lower case letters, digits and .-_/" if not _PATH.fullmatch(path)
        else f"{tag!r} is no tag" if colon and not _TAG.fullmatch(tag)
        else f"{digest!r} is no sha256 digest" if "@" in text and not _DIGEST.fullmatch(digest)
        else ""
    )  # fmt: skip
    if fault:
        raise UsageError(
            f"{text!r} is no image: {fault}", next_step="write it as [registry/]name[:tag][@digest]"
        )
    return ImageName(registry, path, tag or ("" if digest else "latest"), digest)


def _is_registry(word: str) -> bool:
    return "." in word or ":" in word or word == "localhost" or word != word.lower()
